import { ApiError } from './api-error';
import { DIMENSIONS, likeness, vectorOf } from './pooling-vectors';
import type { PoolingRequest } from './pooling-request';

/** The JSON body of vLLM's answer to a request that generates nothing. @throws ApiError */
export function poolingAnswer(request: PoolingRequest, id: string): object {
  const { endpoint, model, script } = request;
  const usage = script.usage === 'omit' ? {} : { usage: usageOf(request) };
  const created = Math.floor(Date.now() / 1_000);
  if (endpoint === 'embeddings')
    return {
      id: `embd-${id}`,
      object: 'list',
      created,
      model: model.id,
      data: embeddings(request),
      ...usage,
    };
  const scores = scoresOf(request);
  if (endpoint === 'score') {
    const data = scores.map((score, index) => ({ index, object: 'score', score }));
    return { id: `score-${id}`, object: 'list', created, model: model.id, data, ...usage };
  }
  const results = scores
    .map((relevance_score, index) => ({
      index,
      document: { text: request.documents[index], multi_modal: null },
      relevance_score,
    }))
    .toSorted((one, other) => other.relevance_score - one.relevance_score)
    .slice(0, request.topN);
  return { id: `score-${id}`, model: model.id, ...usage, results };
}

function usageOf({ endpoint, promptTokens, script }: PoolingRequest): object {
  if (script.usage === 'bad') return { prompt_tokens: '12', total_tokens: null };
  const counts = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  return endpoint === 'rerank'
    ? counts
    : { ...counts, completion_tokens: 0, prompt_tokens_details: null, completion_tokens_details: null };
}

function embeddings({ first, dimensions, base64 }: PoolingRequest): object[] {
  if (dimensions !== undefined && dimensions > DIMENSIONS)
    throw ApiError.badRequest(
      'dimensions',
      `Model only supports up to ${DIMENSIONS} dimensions, got ${dimensions}.`,
      dimensions,
    );
  return first.map((tokens, index) => {
    const vector = vectorOf(tokens, dimensions);
    const embedding = base64 ? Buffer.from(vector.buffer).toString('base64') : [...vector];
    return { index, object: 'embedding', embedding };
  });
}

function scoresOf({ first, second }: PoolingRequest): number[] {
  const queries = first.map((tokens) => vectorOf(tokens));
  return second.map((tokens, index) => {
    const query = (queries.length === 1 ? queries[0] : queries[index]) as Float32Array;
    return likeness(query, vectorOf(tokens));
  });
}
