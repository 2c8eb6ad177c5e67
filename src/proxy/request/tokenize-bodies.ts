import { withEdits } from '../../common/json-members';
import { countedMessages } from './counted-messages';
import { renderedBytes, textBytes } from './prompt-bytes';
import { promptTexts } from './prompt-texts';
import type { CheckedBody } from './proxied-call';

type Fields = CheckedBody['fields'];

const MOST_TOKENIZE_CALLS = 16;
const TOKENIZE_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'tools',
  'add_generation_prompt',
  'continue_final_message',
  'add_special_tokens',
  'chat_template_kwargs',
]);

/** Fields of a chat that its template renders, and that vLLM's /tokenize knows only among the template's parameters. */
const TEMPLATE_FIELDS = ['documents', 'reasoning_effort'] as const;

/** Releases before the one that takes an effort for a wish to think render an empty thought, or not, against it. */
const THOUGHT_TOKENS = 16;
/**
 * A server may have another effort rendered than was asked for (--reasoning-effort-map), of which its /tokenize knows
 * nothing. The longest text for one (DeepSeek V4) has 570 bytes, which are about 110 tokens.
 */
const EFFORT_TOKENS = 128;
/** What a template says beside the constraint itself. */
const CONSTRAINT_TOKENS = 32;
/** Marks around a prompt and its suffix. */
const SUFFIX_MARKS = 8;

/** Bodies for vLLM's /tokenize: a chat, or each text of a completion; null: more of them than is worth asking. */
export function tokenizeBodies(body: CheckedBody, servedName: string): Buffer[] | null {
  const { endpoint, bytes, members, fields } = body;
  const model = JSON.stringify(servedName);
  if (endpoint === 'chat_completions') {
    const edits = new Map<string, string | null>([['model', model]]);
    for (const { key } of members) {
      if (!TOKENIZE_FIELDS.has(key) || fields[key] === null) edits.set(key, null);
    }
    const messages = countedMessages(fields.messages);
    if (messages) edits.set('messages', JSON.stringify(messages));
    const parameters = templateParameters(fields);
    if (parameters) edits.set('chat_template_kwargs', JSON.stringify(parameters));
    return [withEdits(bytes, members, edits)];
  }
  return tokenizeTexts(
    promptTexts(body).filter((text) => typeof text === 'string'),
    servedName,
  );
}

/** The same for texts; null: more of them than is worth asking. */
export function tokenizeTexts(texts: readonly string[], servedName: string): Buffer[] | null {
  if (texts.length > MOST_TOKENIZE_CALLS) return null;
  const model = JSON.stringify(servedName);
  return texts.map((text) => Buffer.from(`{"model":${model},"prompt":${JSON.stringify(text)}}`));
}

/** What vLLM renders of a prompt beside what its /tokenize can be told of, at most: in tokens, for each prompt. */
export function untoldTokens({ endpoint, fields }: CheckedBody): number {
  if (endpoint === 'completions') return suffixTokens(fields);
  return bytesSaidTwice(fields) + (wishToThink(fields) === null ? 0 : THOUGHT_TOKENS);
}

/**
 * What a few servers show their models on top of that, and most do not: it is reserved, lest a limit does not hold, but no
 * answer is shortened for it.
 */
export function constraintTokens({ endpoint, fields }: CheckedBody): number {
  if (endpoint === 'completions') return 0;
  return constraintBytes(fields) + (isGiven(fields.reasoning_effort) ? EFFORT_TOKENS : 0);
}

/** Models that fill in the middle get it behind each prompt; all others refuse it. */
export function suffixTokens({ suffix }: Fields): number {
  return typeof suffix === 'string' ? textBytes(suffix) + SUFFIX_MARKS : 0;
}

export const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

const given = (fields: Fields) => TEMPLATE_FIELDS.filter((key) => isGiven(fields[key]));

const parametersOf = (fields: Fields) => (fields.chat_template_kwargs ?? {}) as Fields;

/** chat_template_kwargs with those fields in it, and what vLLM's chat makes of an effort; null: as it is. */
function templateParameters(fields: Fields): object | null {
  const own = given(fields).map((key) => [key, fields[key]] as const);
  return own.length === 0
    ? null
    : { ...parametersOf(fields), ...Object.fromEntries(own), ...wishToThink(fields) };
}

/** Null: no effort, or the parameters say themselves whether to think. */
function wishToThink(fields: Fields): { readonly enable_thinking: boolean } | null {
  const { reasoning_effort: effort } = fields;
  if (!isGiven(effort) || 'enable_thinking' in parametersOf(fields)) return null;
  return { enable_thinking: effort !== 'none' };
}

/** Which of the two holds where a field stands in both places is up to vLLM's release: the other one, by its bytes. */
function bytesSaidTwice(fields: Fields): number {
  const parameters = parametersOf(fields);
  const twice = given(parameters).filter((key) => given(fields).includes(key));
  return twice.reduce((sum, key) => sum + renderedBytes(parameters[key]), 0);
}

/** Some models (Kimi K3) are told of the form that is asked for, and of a tool they must call. */
function constraintBytes({ response_format, tool_choice, tools }: Fields): number {
  const choice = Array.isArray(tools) && tool_choice !== 'auto' ? tool_choice : null;
  return [response_format, choice]
    .filter(isGiven)
    .reduce<number>((sum, one) => sum + renderedBytes(one) + CONSTRAINT_TOKENS, 0);
}
