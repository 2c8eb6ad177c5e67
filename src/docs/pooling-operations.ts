import type { RequestBodyObject, ResponseObject, SchemaObject } from '@nestjs/swagger';
import type { GenerationOperation } from './generation-operations';

const MODEL = 'opencode-llm';
const USAGE = { prompt_tokens: 24, total_tokens: 24 };

const COMMON: Record<string, SchemaObject> = {
  model: { type: 'string', example: MODEL, description: 'One of GET /v1/models that does this' },
  truncate_prompt_tokens: { type: 'integer', minimum: -1, description: '-1: as many as the model takes' },
};

const TEXT_OR_TEXTS: SchemaObject = {
  description: 'A text, or up to 2,048 of them',
  oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
};

const ONLY_PROMPTS =
  'Only prompt tokens are counted, since nothing is generated. The model server must serve a model that does this; one that ' +
  'only writes answers 404.';

function body(
  required: string[],
  properties: Record<string, SchemaObject>,
  summary: string,
  value: object,
): RequestBodyObject {
  const schema: SchemaObject = {
    type: 'object',
    required: ['model', ...required],
    properties: { ...COMMON, ...properties },
    additionalProperties: true,
  };
  const examples = { example: { summary, value: { model: MODEL, ...value } } };
  return { required: true, content: { 'application/json': { schema, examples } } };
}

const answer = (description: string, example: object): ResponseObject => ({
  description,
  content: { 'application/json': { schema: { type: 'object' }, example } },
});

export const EMBED: GenerationOperation = {
  summary: 'Embed texts',
  description: `As OpenAI's embeddings. ${ONLY_PROMPTS}`,
  requestBody: body(
    ['input'],
    {
      input: {
        description: 'A text, token ids, or up to 2,048 of them',
        oneOf: [
          { type: 'string' },
          { type: 'array', items: { type: 'string' } },
          { type: 'array', items: { type: 'integer' } },
          { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
        ],
      },
      encoding_format: { type: 'string', enum: ['float', 'base64'], default: 'float' },
      dimensions: { type: 'integer', minimum: 1, description: 'Where the model can be had with fewer' },
    },
    'Two texts',
    { input: ['A gateway counts tokens.', 'A baker bakes bread.'] },
  ),
  success: answer('One vector for each text', {
    id: 'embd-8f2c1d',
    object: 'list',
    created: 1_764_000_000,
    model: MODEL,
    data: [
      { index: 0, object: 'embedding', embedding: [0.0123, -0.0456, 0.0789] },
      { index: 1, object: 'embedding', embedding: [0.0321, 0.0654, -0.0987] },
    ],
    usage: USAGE,
  }),
};

export const RERANK: GenerationOperation = {
  summary: 'Order documents by a query',
  description:
    `As Jina's rerank, which vLLM has. ${ONLY_PROMPTS} A query is read again with each document, and counted each time, ` +
    'unless the model embeds both.',
  requestBody: body(
    ['query', 'documents'],
    {
      query: { type: 'string' },
      documents: TEXT_OR_TEXTS,
      top_n: { type: 'integer', minimum: 0, description: '0: all of them' },
      max_tokens_per_doc: { type: 'integer', minimum: 0 },
      instruction: { type: 'string', description: 'For models whose template shows one' },
    },
    'Which document fits',
    {
      query: 'Who counts tokens?',
      documents: ['A baker bakes bread.', 'A gateway counts tokens.'],
      top_n: 1,
    },
  ),
  success: answer('The documents, those that fit first', {
    id: 'score-8f2c1d',
    model: MODEL,
    usage: USAGE,
    results: [
      {
        index: 1,
        document: { text: 'A gateway counts tokens.', multi_modal: null },
        relevance_score: 0.93,
      },
    ],
  }),
};

export const SCORE: GenerationOperation = {
  summary: 'Compare texts in pairs',
  description:
    `As vLLM's score: \`text_1\` and \`text_2\` (or \`queries\` and \`documents\`, \`queries\` and \`items\`, \`data_1\` and ` +
    `\`data_2\`), one with one, one with many, or many with as many. ${ONLY_PROMPTS}`,
  requestBody: body([], { text_1: TEXT_OR_TEXTS, text_2: TEXT_OR_TEXTS }, 'One with two', {
    text_1: 'Who counts tokens?',
    text_2: ['A baker bakes bread.', 'A gateway counts tokens.'],
  }),
  success: answer('A score for each pair', {
    id: 'score-8f2c1d',
    object: 'list',
    created: 1_764_000_000,
    model: MODEL,
    data: [
      { index: 0, object: 'score', score: 0.12 },
      { index: 1, object: 'score', score: 0.93 },
    ],
    usage: USAGE,
  }),
};
