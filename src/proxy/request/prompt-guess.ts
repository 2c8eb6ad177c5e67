import { isAscii } from 'node:buffer';

/** Bytes a token has on average: only for what vLLM neither counted nor can count. */
export const BYTES_PER_TOKEN = 4;

/**
 * The tokens a prompt is taken for when nobody can count it: its text and tools as JSON, whose marks stand for what a
 * template adds, at four bytes a token. The bound that reserves would be several times as much for a short prompt, and
 * the bytes of an image say nothing of its tokens.
 */
export function guessedPromptTokens(fields: Readonly<Record<string, unknown>>, tokenIds: number): number {
  const { messages, tools, prompt } = fields;
  const said = JSON.stringify(messages ? { messages, tools } : textsOf(prompt), withoutMedia);
  return tokenIds + Math.ceil(Buffer.byteLength(said) / BYTES_PER_TOKEN);
}

/** What of a body becomes its prompt. */
export interface PromptPart {
  /** As they stand in the body. */
  readonly bytes: number;
  /** The most tokens vLLM keeps of it. */
  readonly most: number;
}

/** Characters of a text that are hardly ever less than a token, in any script. */
const LONGEST_TOKEN = 8;
/** A character that is written as \u0041. */
const ESCAPED = 6;

/**
 * What a prompt has at least: less than its tokens but for what a tokenizer shortens more than any text, as long rows of
 * blanks. For checkpoints, which are billed when nobody is left to count or to correct them. Nothing is asked or parsed.
 * @param body as it was sent to vLLM
 */
export function leastPromptTokens(body: Buffer, { bytes, most }: PromptPart): number {
  const further = isAscii(body) ? 0 : body.length - body.toString('utf8').length;
  const characters = bytes - further - (ESCAPED - 1) * occurrences(body, '\\u');
  return Math.max(0, Math.min(most, Math.floor(characters / LONGEST_TOKEN)));
}

function occurrences(body: Buffer, of: string): number {
  let count = 0;
  for (let at = body.indexOf(of); at !== -1; at = body.indexOf(of, at + of.length)) count += 1;
  return count;
}

/** Images and the like come as data URLs. */
const withoutMedia = (key: string, value: unknown): unknown =>
  key === 'url' && typeof value === 'string' ? undefined : value;

/** Of several prompts those that are no token ids. */
const textsOf = (prompt: unknown): unknown[] =>
  (Array.isArray(prompt) ? prompt : [prompt]).filter((item) => typeof item === 'string');
