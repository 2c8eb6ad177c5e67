import { renderedBytes } from './prompt-bytes';

interface Fields {
  readonly messages?: unknown;
  readonly tools?: unknown;
}

/** As far as anything of it may be repeated. */
interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
  readonly tool_calls?: unknown;
  readonly name?: unknown;
  readonly tools?: unknown;
  readonly tool_call_id?: unknown;
}

type Call = { readonly function?: { readonly name?: unknown } | null } | null;

/** What introduces tools, in tokens: up to 280 with DeepSeek V3.2, where a developer's message has some of its own. */
const PREAMBLE = 512;

/**
 * The bytes of what a chat template may write more often than it was sent: the name of a called tool once more
 * with its call (Inkling), with each result (Gemma 4, Kimi K3) or twice (Muse Glimmer), and a tool that is loaded later at each reference
 * to it (GLM 5).
 */
export function repeatedBytes({ messages, tools }: Fields): number {
  if (!Array.isArray(messages)) return 0;
  let results = 0;
  let references = 0;
  let longestName = 0;
  let names = 0;
  for (const message of messages as (Message | null)[]) {
    if (message?.role === 'tool') {
      results += 2;
      names += Math.max(bytesOf(message.name), bytesOf(message.tool_call_id));
    }
    if (Array.isArray(message?.content)) references += message.content.filter(isReference).length;
    if (!Array.isArray(message?.tool_calls)) continue;
    for (const call of message.tool_calls as Call[]) {
      const name = bytesOf(call?.function?.name);
      names += name;
      longestName = Math.max(longestName, name);
    }
  }
  return names + results * longestName + references * (references > 0 ? largestOf(tools) : 0);
}

/**
 * The same of all tools, and what introduces them: with each system message (Muse Glimmer, FunctionGemma), and with each
 * user's that is what the last one is (Mistral's templates compare by value: "continue"). And before those that a message
 * has of its own.
 */
export function repeatedToolBytes({ messages, tools }: Fields): number {
  if (!Array.isArray(messages)) return 0;
  const all = messages as (Message | null)[];
  const own = all.filter((message) => Array.isArray(message?.tools)).length * PREAMBLE;
  if (!Array.isArray(tools)) return own;
  const instructions = all.filter((message) => message?.role === 'system' || message?.role === 'developer');
  const asked = all.filter((message) => message?.role === 'user');
  const alike = asked.filter(isLike(asked.at(-1)));
  const times = Math.max(0, instructions.length - 1) + Math.max(0, alike.length - 1);
  return own + (times > 0 ? times * (renderedBytes(tools) + PREAMBLE) : 0);
}

/** Each content is written out once at most, the last one included: there may be 10,000, and one of 32 MiB. */
function isLike(last: Message | null | undefined): (message: Message | null) => boolean {
  const content = last?.content;
  if (!isObject(content)) return (message) => message?.content === content;
  const text = JSON.stringify(content);
  return (message) => isObject(message?.content) && JSON.stringify(message.content) === text;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const isReference = (part: { type?: unknown } | null): boolean => part?.type === 'tool_reference';

const bytesOf = (name: unknown): number => (typeof name === 'string' ? Buffer.byteLength(name) : 0);

const largestOf = (tools: unknown): number =>
  Array.isArray(tools) ? tools.reduce<number>((most, tool) => Math.max(most, renderedBytes(tool)), 0) : 0;
