import { Call, callItem, messageItem, reasoningItem, reasoningPart, textPart } from './output-items';
import type { Status } from './response-object';
import type { ToolNames } from './response-tools';

export type Say = (type: string, fields: object) => void;

/** An item of a response while its events are written. */
export interface OpenItem {
  begin(): void;
  grow(text: string): void;
  /** @returns the item, complete */
  end(status: Status): object;
}

const KINDS = {
  message: { item: messageItem, part: textPart, event: 'output_text', beside: { logprobs: [] } },
  reasoning: { item: reasoningItem, part: reasoningPart, event: 'reasoning_text', beside: {} },
} as const;

/** What the model says or thinks: one part of text. */
export class OpenText implements OpenItem {
  private text = '';

  constructor(
    readonly type: keyof typeof KINDS,
    private readonly id: string,
    private readonly at: number,
    private readonly say: Say,
  ) {}

  private get where(): object {
    return { item_id: this.id, output_index: this.at, content_index: 0 };
  }

  begin(): void {
    const { item, part } = KINDS[this.type];
    this.say('response.output_item.added', { output_index: this.at, item: item(this.id, 'in_progress', []) });
    this.say('response.content_part.added', { ...this.where, part: part('') });
  }

  grow(text: string): void {
    const { event, beside } = KINDS[this.type];
    this.text += text;
    this.say(`response.${event}.delta`, { ...this.where, delta: text, ...beside });
  }

  end(status: Status): object {
    const { item, part, event, beside } = KINDS[this.type];
    const whole = part(this.text);
    const done = item(this.id, status, [whole]);
    this.say(`response.${event}.done`, { ...this.where, text: this.text, ...beside });
    this.say('response.content_part.done', { ...this.where, part: whole });
    this.say('response.output_item.done', { output_index: this.at, item: done });
    return done;
  }
}

/** A call of a tool. */
export class OpenCall implements OpenItem {
  private given = '';

  constructor(
    private readonly call: Call,
    private readonly id: string,
    private readonly at: number,
    private readonly say: Say,
    private readonly names: ToolNames,
  ) {}

  get callId(): string {
    return this.call.callId;
  }

  private item(status: Status): object {
    return callItem(this.id, status, this.call, this.given, this.names);
  }

  begin(): void {
    this.say('response.output_item.added', { output_index: this.at, item: this.item('in_progress') });
  }

  grow(text: string): void {
    this.given += text;
    const where = { item_id: this.id, output_index: this.at };
    this.say('response.function_call_arguments.delta', { ...where, delta: text });
  }

  end(status: Status): object {
    const where = { item_id: this.id, output_index: this.at };
    const { name } = this.names.get(this.call.name) ?? this.call;
    this.say('response.function_call_arguments.done', { ...where, name, arguments: this.given });
    const done = this.item(status);
    this.say('response.output_item.done', { output_index: this.at, item: done });
    return done;
  }
}
