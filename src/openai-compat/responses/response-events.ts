import { randomUUID } from 'node:crypto';
import { ChatAnswer, ChatToolCall, ChatUsage, parsedEvent, reasoningOf } from '../../proxy/chat-answer';
import type { EventDialect } from '../../proxy/dialect';
import { toLatin1 } from '../../proxy/relay/model-name';
import { OpenCall, OpenItem, OpenText, Say } from './open-items';
import { Ending, endingOf, FAILED, itemId, responseOf, Told, UNDER_WAY } from './response-object';

/**
 * The events of one chat as those of a response, in the order of OpenAI's: the response begins, its items begin, grow and
 * end one after another, and the whole of it stands in the last event.
 */
export class ResponseEvents implements EventDialect {
  private out = '';
  private said = 0;
  private hasFailed = false;
  private first: ChatAnswer | null = null;
  private id = '';
  private item: OpenItem | null = null;
  private readonly output: object[] = [];
  private usage: ChatUsage | null = null;
  private finish: string | null = null;
  /** Text that came while a call was being written: its arguments may go on behind it. */
  private heldText = '';
  private readonly callIds = new Map<number, string>();

  constructor(private readonly told: Told) {}

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
    const ending = endingOf(this.finish);
    this.endItem(ending);
    this.tell(`response.${ending.status}`, ending);
    return this.out;
  }

  private take(chat: ChatAnswer): void {
    this.usage = chat.usage ?? this.usage;
    if (!this.first) this.begin(chat);
    const choice = chat.choices?.[0];
    if (!choice) return;
    this.finish = choice.finish_reason ?? this.finish;
    const { delta = {} } = choice;
    const thoughts = reasoningOf(delta);
    if (thoughts) this.grow('reasoning', thoughts);
    if (delta.content) this.takeText(delta.content);
    for (const call of delta.tool_calls ?? []) this.takeCall(call);
  }

  private begin({ id, created, model }: ChatAnswer): void {
    this.first = { created: created ?? Math.floor(Date.now() / 1_000), ...(model ? { model } : {}) };
    this.id = id ?? randomUUID();
    this.tell('response.created', UNDER_WAY);
    this.tell('response.in_progress', UNDER_WAY);
  }

  private takeText(text: string): void {
    if (this.item instanceof OpenCall) this.heldText += text;
    else this.grow('message', text);
  }

  private grow(type: 'message' | 'reasoning', text: string): void {
    let { item } = this;
    if (!(item instanceof OpenText) || item.type !== type) {
      this.endItem();
      const id = this.nextId(type === 'message' ? 'msg' : 'rs');
      item = this.beginItem(new OpenText(type, id, this.output.length, this.say));
    }
    item.grow(text);
  }

  private takeCall({ index = 0, id, function: called }: ChatToolCall): void {
    const known = this.callIds.get(index);
    if (called?.name && (known === undefined || (id && id !== known))) {
      this.endItem();
      const own = this.nextId('fc');
      const call = { callId: id ?? own, name: called.name };
      this.callIds.set(index, call.callId);
      this.beginItem(new OpenCall(call, own, this.output.length, this.say, this.told.names));
    }
    const { item } = this;
    if (called?.arguments && item instanceof OpenCall && item.callId === this.callIds.get(index))
      item.grow(called.arguments);
  }

  private beginItem<T extends OpenItem>(item: T): T {
    this.item = item;
    item.begin();
    return item;
  }

  /** @param ending of the response: only its last item can have been cut short */
  private endItem(ending: Ending | null = null): void {
    const { item, heldText } = this;
    if (!item) return;
    this.item = null;
    this.heldText = '';
    const isLast = ending !== null && heldText === '';
    this.output.push(item.end(isLast ? ending.status : 'completed'));
    if (heldText === '') return;
    this.grow('message', heldText);
    this.endItem(ending);
  }

  /** Clients read of it in the response, or as an error of their stream. */
  private fail({ message, code, ...more }: NonNullable<ChatAnswer['error']>): void {
    const status = typeof code === 'number' ? code : 500;
    // It says what a repetition would come to.
    const told = { code: status < 500 ? 'invalid_prompt' : 'server_error', message: String(message) };
    if (this.first) this.tell('response.failed', FAILED, told);
    this.say('error', { ...told, param: null, error: { message: told.message, ...more, code: status } });
    this.hasFailed = true;
    this.output.length = 0;
    this.item = null;
  }

  private nextId(prefix: string): string {
    return itemId(prefix, this.id, this.output.length);
  }

  /** @param ending what it comes to, as far as is known */
  private tell(type: string, ending: Ending, error?: { code: string; message: string }): void {
    const { first, id, output, usage, told } = this;
    const hasEnded = ending.status !== 'in_progress';
    const content = { id, output, usage: hasEnded ? usage : null, ending, ...(error ? { error } : {}) };
    this.say(type, { response: responseOf(first ?? {}, told, content) });
  }

  private readonly say: Say = (type, fields) => {
    const event = JSON.stringify({ type, sequence_number: this.said, ...fields });
    this.said += 1;
    this.out += `event: ${type}\ndata: ${toLatin1(event)}\n\n`;
  };
}
