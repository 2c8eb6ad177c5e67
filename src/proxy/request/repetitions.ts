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
}

type Call = { readonly function?: { readonly name?: unknown } | null } | null;

/**
 * The bytes of what a chat template may write more often than it was sent: the name of a called tool with each result
 * (Gemma 4, Kimi K3), and a tool that is loaded later at each reference to it (GLM 5).
 */
export function repeatedBytes({ messages, tools }: Fields): number {
  if (!Array.isArray(messages)) return 0;
  let results = 0;
  let references = 0;
  let longestName = 0;
  for (const message of messages as (Message | null)[]) {
    if (message?.role === 'tool') results += 1;
    if (Array.isArray(message?.content)) references += message.content.filter(isReference).length;
    if (!Array.isArray(message?.tool_calls)) continue;
    for (const call of message.tool_calls as Call[]) longestName = Math.max(longestName, nameBytes(call));
  }
  return results * longestName + references * (references > 0 ? largestOf(tools) : 0);
}

const isReference = (part: { type?: unknown } | null): boolean => part?.type === 'tool_reference';

function nameBytes(call: Call): number {
  const name = call?.function?.name;
  return typeof name === 'string' ? Buffer.byteLength(name) : 0;
}

const largestOf = (tools: unknown): number =>
  Array.isArray(tools) ? tools.reduce<number>((most, tool) => Math.max(most, renderedBytes(tool)), 0) : 0;
