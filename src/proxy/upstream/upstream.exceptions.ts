import { ApiException } from '../../common/api.exception';

export const upstreamUnreachable = (cause: unknown): ApiException =>
  outOfFiles(cause)
    ? new ApiException({
        status: 503,
        code: 'overloaded',
        message:
          'The gateway has no room for another connection at the moment. Send this request again shortly.',
        headers: { 'retry-after': '2' },
        cause,
      })
    : new ApiException({
        status: 502,
        code: 'upstream_unreachable',
        message: 'The model server cannot be reached. Retry in a moment.',
        cause,
      });

/** It is this process or this machine that has no file left for a connection, and not vLLM that is away. */
export const outOfFiles = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');

export const upstreamFailed = (cause: unknown): ApiException =>
  new ApiException({
    status: 502,
    code: 'upstream_error',
    message: 'The model server failed on this request. Retry in a moment.',
    cause,
  });

/** No client shall ask again by itself: it is billed each time. */
export const answerTooLarge = (): ApiException =>
  new ApiException({
    status: 502,
    code: 'answer_too_large',
    message:
      'The answer was larger than what can be returned. Ask for fewer logprobs, choices, prompts or texts, for base64, or for a stream.',
    headers: { 'x-should-retry': 'false' },
  });

export const upstreamTimedOut = (): ApiException =>
  new ApiException({
    status: 504,
    code: 'upstream_timeout',
    message: 'The model server did not answer in time.',
  });

export const upstreamRefusedUs = (): ApiException =>
  new ApiException({
    status: 502,
    code: 'upstream_misconfigured',
    message:
      'The model server does not accept the key of this gateway. Tell the operator to check VLLM_API_KEY.',
  });

export const upstreamBusy = (status: 429 | 503, retryAfter: string | undefined): ApiException => {
  const seconds = Math.min(60, Math.max(1, Number.parseInt(retryAfter ?? '', 10) || 2));
  return new ApiException({
    status,
    code: 'upstream_busy',
    message: `The model server is busy. Retry after ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  });
};

/** It takes requests and answers none of them; what is refused costs nothing. */
export const upstreamUnavailable = (): ApiException =>
  new ApiException({
    status: 503,
    code: 'upstream_unavailable',
    message: 'The model server does not answer at the moment. Retry after 5 s.',
    headers: { 'retry-after': '5' },
  });

export const endpointMissing = (): ApiException =>
  new ApiException({
    status: 404,
    code: 'unsupported_endpoint',
    message: 'The model server does not offer this endpoint for its model.',
  });

/** One of several servers no longer has a model for which the catalogue names it. */
export const modelMoved = (): ApiException =>
  new ApiException({
    status: 503,
    code: 'upstream_unavailable',
    message: 'This model was moved to another model server a moment ago. Send the request again.',
    headers: { 'retry-after': '1' },
  });

/** The catalogue still names a model that vLLM no longer serves. */
export const modelGone = (): ApiException =>
  new ApiException({
    status: 404,
    code: 'model_not_found',
    message: 'The model server no longer serves this model. GET /v1/models lists the models there are.',
    param: 'model',
  });
