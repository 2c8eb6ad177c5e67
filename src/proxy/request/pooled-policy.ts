import type { PooledEndpoint } from '../endpoints';
import {
  boolean,
  Check,
  every,
  integer,
  invalidField,
  isTokens,
  list,
  nonEmpty,
  objectWithKeys,
  oneOf,
  string,
  text,
  tokenizable,
} from './field-checks';
import { FieldRule, forward, own, refuse, required } from './field-rules';
import {
  instructionTokens,
  listOf,
  pooledBytes,
  pooledTexts,
  SCORE_FIELDS,
  scoreFields,
} from './pooled-texts';

const MAX_TOKENS = 100_000_000;
const MOST_TEXTS = 2_048;
/** What vLLM reads for one request at most, in bytes: a query is read again for each document. */
const MOST_READ = 64 * 1_024 * 1_024;

/** What vLLM embeds: a text, a list of texts, token ids, or a list of those. */
const input: Check = (value) => {
  if (typeof value === 'string') return text(value);
  const wrong = 'must be a text, a list of texts, or token ids; chats and images are not embedded here';
  if (!Array.isArray(value) || value.length === 0) return wrong;
  if (isTokens(value)) return null;
  if (value.length > MOST_TEXTS) return `must not hold more than ${MOST_TEXTS} texts`;
  if (value.every(isTokens)) return null;
  return value.every((item) => typeof item === 'string') ? list(MOST_TEXTS, text)(value) : wrong;
};

const texts: Check = (value) => {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return nonEmpty(list(MOST_TEXTS, text))(value);
  return 'must be a text or a list of texts; images are not compared here';
};

const COMMON: readonly (readonly [string, FieldRule])[] = [
  ['model', own(string(256))],
  ['cache_salt', own()],
  ['truncate_prompt_tokens', forward(integer(-1, MAX_TOKENS))],
  ['truncation_side', forward(oneOf('left', 'right'))],
  ['use_activation', forward(boolean)],
  ['activation', forward(boolean)],
  ['padding', refuse('is not accepted: what fills a text up would be billed as one.')],
  ['chat_template', refuse('is not accepted: the model is served with its own template.')],
  ['messages', refuse('is not accepted here: send texts.')],
];

const EMBEDDINGS: ReadonlyMap<string, FieldRule> = new Map([
  ...COMMON,
  ['input', required(input)],
  // Others have no count of their tokens in the answer, or no JSON.
  ['encoding_format', forward(oneOf('float', 'base64'))],
  ['dimensions', forward(integer(1, 1_000_000))],
  ['embed_dtype', forward(string(32))],
  ['endianness', forward(string(32))],
  ['add_special_tokens', forward(boolean)],
  ['normalize', forward(boolean)],
]);

const PAIRS: readonly (readonly [string, FieldRule])[] = [
  ...COMMON,
  ['max_tokens_per_query', forward(integer(0, MAX_TOKENS))],
  ['max_tokens_per_doc', forward(integer(0, MAX_TOKENS))],
  ['instruction', forward(tokenizable(65_536))],
  ['chat_template_kwargs', forward(every(objectWithKeys(['instruction']), instructionIsText))],
];

const RERANK: ReadonlyMap<string, FieldRule> = new Map([
  ...PAIRS,
  ['query', required(text)],
  ['documents', required(texts)],
  ['top_n', forward(integer(0, MAX_TOKENS))],
]);

const SCORE: ReadonlyMap<string, FieldRule> = new Map([
  ...PAIRS,
  ...[...new Set(SCORE_FIELDS.flat())].map((name) => [name, forward(texts)] as const),
]);

/** As for generations: what is not named is left out, which vLLM would ignore too. */
export const POOLED_POLICY: Readonly<Record<PooledEndpoint, ReadonlyMap<string, FieldRule>>> = {
  embeddings: EMBEDDINGS,
  rerank: RERANK,
  score: SCORE,
};

/** The field that must be there. */
export const POOLED_CONTENT: Readonly<Record<PooledEndpoint, readonly string[]>> = {
  embeddings: ['input'],
  rerank: ['query', 'documents'],
  score: [],
};

/** Rules over more than one field. */
export function checkPooled(endpoint: PooledEndpoint, fields: Readonly<Record<string, unknown>>): void {
  if (endpoint === 'embeddings') return;
  if (endpoint === 'score') checkPairs(fields);
  const pooled = pooledTexts(endpoint, fields);
  if (pooledBytes(pooled) + pooled.prompts * instructionTokens(fields) <= MOST_READ) return;
  throw invalidField(
    endpoint === 'rerank' ? 'documents' : (scoreFields(fields)[0]?.[1] ?? 'text_2'),
    'A query and an instruction are read again with each document, which is more text here than one request may hold. Send fewer documents at once, or a shorter query.',
  );
}

function checkPairs(fields: Readonly<Record<string, unknown>>): void {
  const ways = scoreFields(fields);
  const [way] = ways;
  if (!way || ways.length > 1) {
    const names = SCORE_FIELDS.map((pair) => pair.join(' and ')).join(', or ');
    throw invalidField('text_1', `Send what is to be compared as ${names}, and in one way only.`);
  }
  const [first, second] = way.map((name) => listOf(fields[name]).length) as [number, number];
  if (first === 1 || first === second) return;
  throw invalidField(way[0], `${way[0]} must be one text, or as many as ${way[1]} are.`);
}

function instructionIsText(value: unknown): string | null {
  const { instruction } = value as { instruction?: unknown };
  return instruction === undefined || instruction === null
    ? null
    : tokenizable(65_536)(instruction) && 'must have an instruction that is a text';
}
