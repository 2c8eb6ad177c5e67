import { invalidField } from '../proxy/request/field-checks';
import { Block, blocksOf, imagePart, isObject, isSilent, textOf, unknownBlock } from './content-blocks';

/** Claude Code's note of itself: another one in each request, so that no prompt would begin like another. */
const BILLING_NOTE = 'x-anthropic-billing-header';

/**
 * Anthropic's messages as those of a chat. What a user's message holds of results of tools becomes messages of their own,
 * and whatever the system says, one that stands first: most templates take no other.
 * @throws ApiException 400
 */
export function chatMessages(system: unknown, messages: unknown): object[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalidField('messages', 'messages must be a list of at least one message.');
  const said = [...systemTexts('system', system)];
  const chat: object[] = [];
  messages.forEach((message: unknown, at) => {
    const where = `messages[${at}]`;
    const { role, content } = isObject(message) ? message : ({} as Block);
    if (role === 'system') said.push(...systemTexts(`${where}.content`, content));
    else if (role === 'user') chat.push(...userMessages(`${where}.content`, content));
    else if (role === 'assistant') chat.push(assistantMessage(`${where}.content`, content));
    else throw invalidField(where, `${where} must be an object with the role user, assistant or system.`);
  });
  return said.length === 0 ? chat : [{ role: 'system', content: said.join('') }, ...chat];
}

function systemTexts(where: string, content: unknown): string[] {
  if (content === undefined || content === null) return [];
  return blocksOf(where, content)
    .map((block, at) => {
      const here = `${where}[${at}]`;
      return block.type === 'text' ? textOf(here, block) : unknownBlock(here, block);
    })
    .filter((text) => text !== '' && !text.startsWith(BILLING_NOTE));
}

function userMessages(where: string, content: unknown): object[] {
  const results: object[] = [];
  const parts: object[] = [];
  blocksOf(where, content).forEach((block, at) => {
    const here = `${where}[${at}]`;
    if (block.type === 'text') parts.push(textPart(textOf(here, block)));
    else if (block.type === 'image') parts.push(imagePart(here, block));
    else if (block.type === 'tool_result') results.push(...toolResult(here, block));
    else if (!isSilent(block)) unknownBlock(here, block);
  });
  return parts.length === 0 && results.length > 0
    ? results
    : [...results, { role: 'user', content: contentOf(parts) }];
}

/** A message of a tool holds text; its images come from the user. */
function toolResult(where: string, { tool_use_id: id, content }: Block): object[] {
  if (typeof id !== 'string') throw invalidField(where, `${where} is a result without a tool_use_id.`);
  const texts: string[] = [];
  const images: object[] = [];
  blocksOf(where, content ?? '').forEach((block, at) => {
    const here = `${where}.content[${at}]`;
    if (block.type === 'text') texts.push(textOf(here, block));
    else if (block.type === 'image') images.push(imagePart(here, block));
    else if (!isSilent(block)) unknownBlock(here, block);
  });
  const result = { role: 'tool', tool_call_id: id, content: texts.join('\n') };
  return images.length === 0 ? [result] : [result, { role: 'user', content: images }];
}

function assistantMessage(where: string, content: unknown): object {
  const parts: object[] = [];
  const calls: object[] = [];
  const thoughts: string[] = [];
  blocksOf(where, content).forEach((block, at) => {
    const here = `${where}[${at}]`;
    if (block.type === 'text') parts.push(textPart(textOf(here, block)));
    else if (block.type === 'thinking') thoughts.push(String(block.thinking ?? ''));
    else if (block.type === 'tool_use') calls.push(toolCall(here, block));
    else if (!isSilent(block)) unknownBlock(here, block);
  });
  const isCallOnly = parts.length === 0 && calls.length > 0;
  return {
    role: 'assistant',
    ...(thoughts.length > 0 ? { reasoning: thoughts.join('') } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(isCallOnly ? {} : { content: contentOf(parts) }),
  };
}

function toolCall(where: string, { id, name, input }: Block): object {
  if (typeof id !== 'string' || typeof name !== 'string')
    throw invalidField(where, `${where} is a use of a tool without an id or a name.`);
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } };
}

const textPart = (text: string) => ({ type: 'text' as const, text });

/** One text as a text: not every template takes a list of parts. */
function contentOf(parts: readonly object[]): string | readonly object[] {
  const [first] = parts;
  if (!first) return '';
  return parts.length === 1 && 'text' in first ? String(first.text) : parts;
}
