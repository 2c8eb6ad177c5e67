import { invalidField, isObject } from '../../proxy/request/field-checks';
import { ChatPart, contentOf, isText, Item, joined, partsOf } from './input-parts';
import { flatName } from './response-tools';

/** One chat message of the model, which several items make up. */
interface AssistantTurn {
  readonly role: 'assistant';
  reasoning?: string;
  content?: string;
  tool_calls?: object[];
}

/** What tools that were left out came to, and marks of clients: the model is shown nothing of them. */
const SILENT: ReadonlySet<unknown> = new Set([
  'web_search_call',
  'image_generation_call',
  'tool_search_call',
  'tool_search_output',
]);

/**
 * Instructions and input as the messages of a chat. Whatever the system and the developer say becomes one message that
 * stands first: most templates take no other.
 * @throws ApiException 400
 */
export function chatOfInput(instructions: unknown, input: unknown): object[] {
  const messages = new InputMessages();
  if (instructions !== undefined && instructions !== null) {
    if (typeof instructions !== 'string') throw invalidField('instructions', 'instructions must be a text.');
    messages.say(instructions);
  }
  if (typeof input === 'string') messages.addUser([{ type: 'text', text: input }]);
  else if (Array.isArray(input)) input.forEach((item: unknown, at) => messages.add(`input[${at}]`, item));
  else throw invalidField('input', 'input is missing, or neither a text nor a list of items.');
  const chat = messages.whole();
  if (chat.length > 0) return chat;
  throw invalidField('input', 'input holds nothing that a model could be shown.');
}

class InputMessages {
  private readonly said: string[] = [];
  private readonly chat: object[] = [];
  private turn: AssistantTurn | null = null;
  /** A message of a tool holds text: its images come from the user, once all tools have answered. */
  private images: ChatPart[] = [];

  whole(): object[] {
    this.showImages();
    if (this.said.length === 0) return this.chat;
    return [{ role: 'system', content: this.said.join('\n\n') }, ...this.chat];
  }

  say(text: string): void {
    if (text !== '') this.said.push(text);
  }

  addUser(parts: readonly ChatPart[]): void {
    this.push({ role: 'user', content: contentOf(parts) });
  }

  add(where: string, item: unknown): void {
    if (!isObject(item)) throw invalidField(where, `${where} must be an object with a type or a role.`);
    const type = item.type ?? ('role' in item ? 'message' : undefined);
    if (type === 'message') this.addMessage(where, item);
    else if (type === 'reasoning') this.addReasoning(where, item);
    else if (type === 'function_call') this.addCall(where, item);
    else if (type === 'function_call_output') this.addOutput(where, item);
    else if (type === 'item_reference')
      throw invalidField(where, `${where} refers to what is not kept here; send the item itself.`);
    else if (!SILENT.has(type))
      throw invalidField(
        where,
        `${where} is an item of a type that is not accepted here: ${String(type).slice(0, 64)}.`,
      );
  }

  private addMessage(where: string, { role, content }: Item): void {
    const parts = partsOf(`${where}.content`, content);
    if (role === 'user') this.addUser(parts);
    else if (role === 'system' || role === 'developer') this.say(joined(parts, '\n'));
    else if (role === 'assistant') this.addAnswer(joined(parts));
    else throw invalidField(where, `${where} must have the role user, assistant, system or developer.`);
  }

  private addAnswer(text: string): void {
    if (this.turn?.content !== undefined) this.turn = null;
    this.openTurn().content = text;
  }

  /** What OpenAI has encrypted nobody else can read. */
  private addReasoning(where: string, { content, summary }: Item): void {
    const thoughts = thoughtsIn(`${where}.content`, content) || thoughtsIn(`${where}.summary`, summary);
    if (thoughts === '') return;
    if (this.turn?.reasoning !== undefined) this.turn = null;
    this.openTurn().reasoning = thoughts;
  }

  private addCall(where: string, { call_id: id, name, namespace, arguments: given }: Item): void {
    if (typeof id !== 'string' || typeof name !== 'string' || typeof given !== 'string')
      throw invalidField(
        where,
        `${where} must be a call with a call_id, a name and arguments, which are texts.`,
      );
    const known = typeof namespace === 'string' ? flatName(namespace, name) : name;
    const turn = this.openTurn();
    turn.tool_calls ??= [];
    turn.tool_calls.push({ id, type: 'function', function: { name: known, arguments: given } });
  }

  private addOutput(where: string, { call_id: id, output }: Item): void {
    if (typeof id !== 'string') throw invalidField(where, `${where} is an output without a call_id.`);
    const parts = partsOf(`${where}.output`, output);
    this.turn = null;
    this.images.push(...parts.filter((part) => !isText(part)));
    this.chat.push({ role: 'tool', tool_call_id: id, content: joined(parts, '\n') });
  }

  private openTurn(): AssistantTurn {
    if (this.turn) return this.turn;
    const turn: AssistantTurn = { role: 'assistant' };
    this.push(turn);
    return (this.turn = turn);
  }

  private push(message: object): void {
    this.showImages();
    this.turn = null;
    this.chat.push(message);
  }

  private showImages(): void {
    const { images } = this;
    this.images = [];
    if (images.length > 0) this.chat.push({ role: 'user', content: images });
  }
}

const THOUGHTS: ReadonlySet<unknown> = new Set(['reasoning_text', 'summary_text', 'text']);

function thoughtsIn(where: string, parts: unknown): string {
  if (parts === undefined || parts === null) return '';
  if (!Array.isArray(parts)) throw invalidField(where, `${where} must be a list of texts.`);
  return parts
    .map((part: unknown) => {
      if (isObject(part) && THOUGHTS.has(part.type) && typeof part.text === 'string') return part.text;
      throw invalidField(where, `${where} must be a list of texts, each with its type.`);
    })
    .join('\n');
}
