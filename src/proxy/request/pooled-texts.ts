import type { EndpointName } from '../endpoints';
import { mostBytesOf, textBytes } from './prompt-bytes';
import { isGiven } from './tokenize-bodies';

type Fields = Readonly<Record<string, unknown>>;

/** A text, or the ids of its tokens, and in how many prompts it stands. */
export interface PooledText {
  readonly text: string | readonly number[];
  readonly times: number;
}

/** What a request without an answer in words is about: texts to embed, or pairs to compare. */
export interface Pooled {
  readonly texts: readonly PooledText[];
  readonly prompts: number;
}

/** What vLLM takes for the two sides of a pair. */
export const SCORE_FIELDS = [
  ['text_1', 'text_2'],
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
] as const;

/** @param fields checked */
export function pooledTexts(endpoint: EndpointName, fields: Fields): Pooled {
  if (endpoint === 'embeddings') {
    const texts = inputs(fields.input).map((text) => ({ text, times: 1 }));
    return { texts, prompts: texts.length };
  }
  const [one, other] =
    endpoint === 'rerank' ? (['query', 'documents'] as const) : (scoreFields(fields)[0] ?? SCORE_FIELDS[0]);
  return pairs(listOf(fields[one]), listOf(fields[other]));
}

/** The ways of writing a pair that a body holds: one, as a rule. */
export const scoreFields = (fields: Fields): (readonly [string, string])[] =>
  SCORE_FIELDS.filter(([one, other]) => isGiven(fields[one]) && isGiven(fields[other]));

/** Each of the texts as often as it stands in a prompt: a query stands before each of its documents. */
function pairs(first: readonly string[], second: readonly string[]): Pooled {
  const times = first.length === 1 ? second.length : 1;
  const texts = [...first.map((text) => ({ text, times })), ...second.map((text) => ({ text, times: 1 }))];
  return { texts, prompts: second.length };
}

/** The most tokens of all prompts together, but for what a template puts around them: a token is a byte at least. */
export function pooledBytes({ texts }: Pooled): number {
  const bytesOf = mostBytesOf(texts.map(({ text }) => text).filter((text) => typeof text === 'string'));
  return texts.reduce(
    (sum, { text, times }) => sum + times * (typeof text === 'string' ? bytesOf(text) : text.length),
    0,
  );
}

/** Fields that stand in each prompt where a template shows them, and what stands around them. */
const INSTRUCTIONS = ['instruction', 'chat_template_kwargs'] as const;
const INSTRUCTION_MARKS = 16;

/** The most tokens that what is asked of a model beside its texts adds to each prompt. */
export function instructionTokens(fields: Fields): number {
  const given = INSTRUCTIONS.map((key) => fields[key]).filter(isGiven);
  return given.reduce<number>((sum, value) => sum + textBytes(JSON.stringify(value)) + INSTRUCTION_MARKS, 0);
}

function inputs(input: unknown): PooledText['text'][] {
  if (typeof input === 'string') return [input];
  const list = input as (string | number | number[])[];
  return typeof list[0] === 'number' ? [list as number[]] : (list as (string | number[])[]);
}

export const listOf = (value: unknown): string[] =>
  Array.isArray(value) ? (value as string[]) : [value as string];
