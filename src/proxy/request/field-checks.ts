import { ApiException } from '../../common/api.exception';

/** Returns what is wrong with a value, as the end of a sentence that begins with the field's name; null: nothing. */
export type Check = (value: unknown) => string | null;

export const invalidField = (param: string, message: string): ApiException =>
  new ApiException({ status: 400, code: 'invalid_value', param, message });

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** null counts as absent, as OpenAI and vLLM have it. */
export const optional =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);

export const integer =
  (min: number, max: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : `must be a whole number from ${min} to ${max}`;

/** A number that JSON can write and every reader reads alike: 1e309 is infinite to some and an error to others. */
export const number: Check = (value) => (Number.isFinite(value) ? null : 'must be a number');

/** The largest one is read as 2 ** 63, like the few behind it, of which vLLM is the judge. */
export const int64: Check = (value) =>
  Number.isInteger(value) && (value as number) >= -(2 ** 63) && (value as number) <= 2 ** 63
    ? null
    : 'must be a whole number of at most 64 bits';

export const boolean: Check = (value) => (typeof value === 'boolean' ? null : 'must be true or false');

export const object: Check = (value) => (isObject(value) ? null : 'must be an object');

export const every =
  (...checks: Check[]): Check =>
  (value) => {
    for (const check of checks) {
      const problem = check(value);
      if (problem !== null) return problem;
    }
    return null;
  };

/** Half a surrogate pair is no text to a tokenizer: vLLM fails on it. */
const HALF_A_PAIR = /\p{Surrogate}/u;

export const string =
  (maxLength: number): Check =>
  (value) =>
    typeof value === 'string' && value.length > 0 && value.length <= maxLength
      ? null
      : `must be a text of 1 to ${maxLength} characters`;

/** The same for what is given to a tokenizer. */
export const tokenizable = (maxLength: number): Check =>
  every(string(maxLength), (value) =>
    HALF_A_PAIR.test(value as string) ? 'must not hold half a surrogate pair' : null,
  );

/** Any text for a tokenizer, an empty one too. */
export const text: Check = (value) => {
  if (typeof value !== 'string') return 'must be a text';
  return HALF_A_PAIR.test(value) ? 'must not hold half a surrogate pair' : null;
};

export const oneOf =
  (...values: string[]): Check =>
  (value) =>
    values.includes(value as string) ? null : `must be ${values.join(' or ')}`;

export const list =
  (max: number, item?: Check): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > max) return `must be a list of at most ${max} items`;
    return item ? (value.map(item).find((problem) => problem !== null) ?? null) : null;
  };

export const nonEmpty =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length === 0 ? 'must not be empty' : check(value);

export const either =
  (...checks: Check[]): Check =>
  (value) => {
    const problems = checks.map((check) => check(value));
    return problems.includes(null) ? null : problems.join(', or ');
  };

export const objectWithKeys =
  (allowed: readonly string[]): Check =>
  (value) => {
    if (!isObject(value)) return 'must be an object';
    const stranger = Object.keys(value).find((key) => !allowed.includes(key));
    return stranger === undefined
      ? null
      : `has the unknown key \`${stranger}\`; known are ${allowed.join(', ')}`;
  };

export const atMostKeys =
  (max: number): Check =>
  (value) =>
    isObject(value) && Object.keys(value).length <= max ? null : `must be an object of at most ${max} keys`;

export const jsonSize =
  (maxCharacters: number): Check =>
  (value) =>
    JSON.stringify(value).length <= maxCharacters
      ? null
      : `must not be larger than ${maxCharacters} characters of JSON`;

export const streamOptions: Check = (value) => {
  if (!isObject(value)) return 'must be an object';
  for (const key of ['include_usage', 'continuous_usage_stats']) {
    const option = value[key];
    if (option !== undefined && option !== null && typeof option !== 'boolean')
      return `.${key} must be true or false`;
  }
  return null;
};

/** Ids of tokens, of one text. */
export const isTokens = (item: unknown): boolean =>
  Array.isArray(item) &&
  item.length > 0 &&
  item.every((id) => Number.isSafeInteger(id) && (id as number) >= 0);

/** A prompt: text, a list of texts, token ids, or a list of those. */
export const prompt: Check = (value) => {
  if (typeof value === 'string') return null;
  if (!Array.isArray(value) || value.length === 0) return 'must be a text, a list of texts, or token ids';
  if (isTokens(value)) return null;
  if (value.length > 256) return 'must not hold more than 256 prompts';
  if (value.every((item) => typeof item === 'string')) return null;
  return value.every(isTokens) ? null : 'must be a text, a list of texts, or token ids';
};

const MEDIA_KEYS = ['image_url', 'video_url', 'audio_url'] as const;

/**
 * Chat messages: their shape, and what decides over safety. Media come as data URLs, never as links that vLLM's
 * host would fetch, and never as tensors or as references into a cache shared with other users.
 */
export const messages: Check = (value) => {
  if (!Array.isArray(value) || value.length === 0) return 'must be a list of at least one message';
  if (value.length > 10_000) return 'must not hold more than 10000 messages';
  for (const message of value) {
    if (!isObject(message)) return 'must be a list of message objects';
    if (typeof message.role !== 'string' || message.role === '')
      return 'must each have a role, which is a text';
    const problem = contentProblem(message.content) ?? fieldProblem(message);
    if (problem) return problem;
  }
  return null;
};

/**
 * Fields that are texts, and no others: of embeddings or media as reasoning nobody knows how many tokens they are, and a
 * field of a wrong type may keep /tokenize from counting the calls of tools beside it.
 */
const TEXTS = ['reasoning', 'reasoning_content', 'tool_call_id', 'task'] as const;

function fieldProblem(message: Record<string, unknown>): string | null {
  const wrong = TEXTS.find((key) => typeof (message[key] ?? '') !== 'string');
  if (wrong !== undefined) return `must have a ${wrong} that is a text`;
  return Array.isArray(message.tools ?? []) ? null : 'must have tools that are a list';
}

/** @param content absent or null where an assistant's message has only tool calls */
function contentProblem(content: unknown): string | null {
  if (content === undefined || content === null || typeof content === 'string') return null;
  if (!Array.isArray(content)) return 'must have a content that is a text or a list of parts';
  for (const part of content) {
    if (typeof part === 'string') continue;
    const problem = isObject(part) ? mediaProblem(part) : 'must have parts that are objects';
    if (problem) return problem;
  }
  return null;
}

function mediaProblem(part: Record<string, unknown>): string | null {
  for (const key of MEDIA_KEYS) {
    if (!(key in part)) continue;
    const media = part[key];
    const url = isObject(media) ? media.url : media;
    if (typeof url !== 'string' || !/^data:/i.test(url)) {
      return `holds an ${key} that is not a data: URL; links are not fetched here, send the content itself`;
    }
  }
  const type = typeof part.type === 'string' ? part.type : '';
  if (Object.keys(part).some((key) => /_(embeds|pil)$/.test(key)) || /_(embeds|pil)$/.test(type)) {
    return 'must not hold embeddings or serialised images';
  }
  return 'uuid' in part ? 'must not refer to cached media by uuid' : null;
}

/** True when a prompt's tokens cannot be bounded by its bytes. */
export function holdsMedia(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return value.some(
    (message) =>
      isObject(message) &&
      Array.isArray(message.content) &&
      message.content.some(
        (part) =>
          isObject(part) &&
          (MEDIA_KEYS.some((key) => key in part) || 'input_audio' in part || 'file' in part),
      ),
  );
}
