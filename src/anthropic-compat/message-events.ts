import { randomUUID } from 'node:crypto';
import {
  ChatAnswer,
  ChatChoice,
  ChatToolCall,
  ChatUsage,
  parsedEvent,
  reasoningOf,
} from '../proxy/chat-answer';
import type { EventDialect } from '../proxy/dialect';
import { toLatin1 } from '../proxy/relay/model-name';
import { anthropicError } from './anthropic-error';
import { messageUsage } from './message-usage';
import { stopReason } from './stop-reason';
import { parsedInput } from './whole-message';

type BlockType = 'text' | 'thinking' | 'tool_use';

interface Block {
  readonly type: BlockType;
  readonly index: number;
  /** Of a call of a tool. */
  readonly id: string | null;
}

/**
 * The events of one chat as those of a message, in the order of Anthropic's: the message begins, blocks begin, grow and
 * end one after another, and what the message came to stands before its end.
 */
export class MessageEvents implements EventDialect {
  private out = '';
  private hasBegun = false;
  private hasFailed = false;
  private toldEnd = false;
  private block: Block | null = null;
  private blocks = 0;
  private usage: ChatUsage | null = null;
  private ended: ChatChoice = {};
  private toolUsed = false;
  /** What the last call of a tool was given; only the last one can be cut short. */
  private toolInput = '';
  /** Text that came while a call was being written: its arguments may go on behind it. */
  private heldText = '';
  private readonly callIds = new Map<number, string>();

  event(frame: string): string {
    this.out = '';
    if (this.hasFailed) return '';
    const chat = parsedEvent(frame);
    if (chat?.error) this.fail(chat.error);
    else if (chat) this.take(chat);
    return this.out;
  }

  end(): string {
    this.out = '';
    if (this.hasFailed) return '';
    this.endMessage();
    this.say('message_stop', {});
    return this.out;
  }

  private take(chat: ChatAnswer): void {
    this.usage = chat.usage ?? this.usage;
    if (!this.hasBegun) this.begin(chat);
    const choice = chat.choices?.[0];
    if (!choice) return this.endMessage();
    if (choice.finish_reason) this.ended = choice;
    const { delta = {} } = choice;
    const thinking = reasoningOf(delta);
    if (thinking) this.grow('thinking', { type: 'thinking_delta', thinking });
    if (delta.content) this.takeText(delta.content);
    for (const call of delta.tool_calls ?? []) this.takeCall(call);
  }

  private begin({ id, model, usage }: ChatAnswer): void {
    this.hasBegun = true;
    const empty = { content: [], stop_reason: null, stop_sequence: null };
    const message = { id, type: 'message', role: 'assistant', model, ...empty, usage: messageUsage(usage) };
    this.say('message_start', { message });
  }

  private takeText(text: string): void {
    if (this.block?.type === 'tool_use') this.heldText += text;
    else this.grow('text', { type: 'text_delta', text });
  }

  private takeCall({ index = 0, id, function: called }: ChatToolCall): void {
    if (id) {
      this.callIds.set(index, id);
      if (this.block?.id !== id && called?.name) this.beginCall(id, called.name);
    }
    const input = called?.arguments;
    if (!input || this.block?.type !== 'tool_use' || this.block.id !== this.callIds.get(index)) return;
    this.toolInput += input;
    this.sayDelta(this.block, { type: 'input_json_delta', partial_json: input });
  }

  private beginCall(id: string, name: string): void {
    this.endBlock();
    this.toolUsed = true;
    this.toolInput = '';
    this.beginBlock('tool_use', { type: 'tool_use', id, name, input: {} }, id);
  }

  private grow(type: 'text' | 'thinking', delta: object): void {
    let { block } = this;
    if (block?.type !== type) {
      this.endBlock();
      block = this.beginBlock(type, type === 'text' ? { type, text: '' } : { type, thinking: '' });
    }
    this.sayDelta(block, delta);
  }

  private beginBlock(type: BlockType, content: object, id: string | null = null): Block {
    const block = { type, index: this.blocks, id };
    this.block = block;
    this.blocks += 1;
    this.say('content_block_start', { index: block.index, content_block: content });
    return block;
  }

  private endBlock(): void {
    const { block, heldText } = this;
    if (!block) return;
    this.block = null;
    if (block.type === 'thinking') this.sayDelta(block, { type: 'signature_delta', signature: randomUUID() });
    this.say('content_block_stop', { index: block.index });
    if (heldText === '') return;
    this.heldText = '';
    this.grow('text', { type: 'text_delta', text: heldText });
    this.endBlock();
  }

  private endMessage(): void {
    if (this.toldEnd) return;
    this.toldEnd = true;
    this.endBlock();
    const complete = this.toolUsed && parsedInput(this.toolInput) !== null;
    const delta = stopReason(this.ended, { used: this.toolUsed, complete });
    this.say('message_delta', { delta, usage: messageUsage(this.usage) });
  }

  private fail({ message, code }: NonNullable<ChatAnswer['error']>): void {
    this.hasFailed = true;
    const { error } = anthropicError(typeof code === 'number' ? code : 500, String(message));
    this.say('error', { error });
  }

  private sayDelta({ index }: Block, delta: object): void {
    this.say('content_block_delta', { index, delta });
  }

  private say(type: string, fields: object): void {
    this.out += `event: ${type}\ndata: ${toLatin1(JSON.stringify({ type, ...fields }))}\n\n`;
  }
}
