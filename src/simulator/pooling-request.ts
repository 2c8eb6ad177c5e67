import { ApiError } from './api-error';
import { laxIntegerFrom, optionalList, optionalOneOf, optionalString } from './lax-values';
import type { Script } from './script';
import { findScript } from './script';
import type { SimulatedModels } from './simulated-models';
import type { SimulatedModel, SimulatorSettings } from './simulator-settings';
import { tokenize } from './tokenizer';
import { checkPrompt } from './window-check';

type Body = Readonly<Record<string, unknown>>;

export type PoolingEndpoint = 'embeddings' | 'rerank' | 'score';

/** What a request for embeddings or scores asks, once vLLM has read it. */
export interface PoolingRequest {
  readonly endpoint: PoolingEndpoint;
  readonly model: SimulatedModel;
  readonly script: Script;
  /** What is embedded, or the first sides of the pairs; without special tokens. */
  readonly first: readonly (readonly string[])[];
  /** The second sides; none for embeddings. */
  readonly second: readonly (readonly string[])[];
  /** What the engine reads: all prompts together, special tokens and a template among them. */
  readonly promptTokens: number;
  readonly documents: readonly string[];
  readonly topN: number;
  readonly dimensions: number | undefined;
  readonly base64: boolean;
}

const PAIRS = [
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
  ['text_1', 'text_2'],
] as const;

/** As BERT has them: [CLS] text [SEP], and one more between two. */
const SPECIAL = 2;
const PAIR_SPECIAL = 3;

/** @throws ApiError */
export function readPooling(
  endpoint: PoolingEndpoint,
  body: Body,
  models: SimulatedModels,
  settings: SimulatorSettings,
): PoolingRequest {
  if (body.normalize !== undefined)
    throw ApiError.badRequest(
      'normalize',
      'Parameter `normalize` was removed; use `use_activation` instead.',
    );
  const model = models.find(optionalString(body.model, 'body.model') || undefined);
  const format = optionalOneOf(['float', 'base64'], body.encoding_format, 'body.encoding_format');
  const [first, second] = endpoint === 'embeddings' ? [inputs(body.input), []] : sides(endpoint, body);
  const documents = second.filter((text) => typeof text === 'string');
  if (first.length === 0)
    throw new ApiError(400, 'BadRequestError', null, 'You must pass at least one prompt');
  if (endpoint !== 'embeddings') checkLengths(first.length, second.length);
  const one = first.map(tokensOf);
  const two = second.map(tokensOf);
  const prompts = promptSizes(one, two, settings);
  const kept = laxIntegerFrom(-1, body.truncate_prompt_tokens, 'body.truncate_prompt_tokens');
  const most = kept === undefined || kept === -1 ? model.maxModelLen : kept;
  if (kept === undefined)
    for (const [index, promptTokens] of prompts.entries()) {
      const promptCharacters = second.length > 0 ? 1 : charactersOf(first[index] ?? '');
      checkPrompt({ promptTokens, promptCharacters, window: model.maxModelLen });
    }
  return {
    endpoint,
    model,
    script: { ...model.script, ...scriptIn([...first, ...second]) },
    first: one,
    second: two,
    promptTokens: prompts.reduce((sum, size) => sum + Math.min(size, most), 0),
    documents,
    topN: laxIntegerFrom(0, body.top_n, 'body.top_n') || documents.length,
    dimensions: laxIntegerFrom(1, body.dimensions, 'body.dimensions'),
    base64: format === 'base64',
  };
}

type Text = string | readonly number[];

function inputs(input: unknown): Text[] {
  if (typeof input === 'string') return [input];
  const list = optionalList(input, 'body.input');
  if (!list) throw ApiError.validation({ kind: 'missing', at: 'body.input', text: 'Field required' });
  if (list.length > 0 && list.every((item) => Number.isInteger(item))) return [list as number[]];
  return list.map((item) => {
    if (typeof item === 'string' || Array.isArray(item)) return item as Text;
    throw ApiError.validation({
      kind: 'string_type',
      at: 'body.input',
      text: 'Input should be a valid string',
      input: item,
    });
  });
}

function sides(endpoint: PoolingEndpoint, body: Body): [string[], string[]] {
  const names =
    endpoint === 'rerank' ? (['query', 'documents'] as const) : PAIRS.find(([a, b]) => body[a] && body[b]);
  if (!names) throw ApiError.validation({ kind: 'missing', at: 'body.text_1', text: 'Field required' });
  return [textsOf(body[names[0]], names[0]), textsOf(body[names[1]], names[1])];
}

function textsOf(value: unknown, name: string): string[] {
  if (typeof value === 'string') return [value];
  const list = optionalList(value, `body.${name}`);
  if (!list) throw ApiError.validation({ kind: 'missing', at: `body.${name}`, text: 'Field required' });
  return list.map((item) => optionalString(item, `body.${name}`) ?? '');
}

function checkLengths(first: number, second: number): void {
  if (first > 1 && first !== second)
    throw new ApiError(400, 'BadRequestError', null, 'Input lengths must be either 1:1, 1:N or N:N');
  if (second === 0)
    throw new ApiError(400, 'BadRequestError', null, 'At least one text_pair element must be given');
}

/** A cross-encoder reads a query with each document; a model that embeds reads each text once. */
function promptSizes(
  first: readonly (readonly string[])[],
  second: readonly (readonly string[])[],
  { task, templateTokens }: SimulatorSettings,
): number[] {
  if (second.length === 0 || task === 'embed')
    return [...first, ...second].map(({ length }) => length + SPECIAL);
  return second.map(({ length }, index) => {
    const query = first.length === 1 ? first[0] : first[index];
    return (query?.length ?? 0) + length + PAIR_SPECIAL + templateTokens;
  });
}

/** 0 for token ids. */
const charactersOf = (text: Text): number => (typeof text === 'string' ? text.length : 0);

const tokensOf = (text: Text): readonly string[] =>
  typeof text === 'string' ? tokenize(text) : text.map((id) => `#${id}`);

const scriptIn = (texts: readonly Text[]): Script | undefined =>
  texts.map((text) => (typeof text === 'string' ? findScript(text) : undefined)).find(Boolean);
