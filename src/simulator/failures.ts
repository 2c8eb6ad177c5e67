import { ApiError } from './api-error';

export const ENGINE_BUSY = new ApiError(
  503,
  'Service Unavailable',
  null,
  'The engine is currently busy and cannot accept new requests. Please try again later or on a different instance.',
);

export const ENGINE_DIED = new ApiError(
  500,
  'InternalServerError',
  null,
  'The server had an error while processing your request.',
);

/** What a script asks to fail with: vLLM's own words where it has some. */
export function scriptedFailure(status: number): ApiError {
  if (status === ENGINE_BUSY.status) return ENGINE_BUSY;
  if (status === ENGINE_DIED.status) return ENGINE_DIED;
  const type = status > 500 ? 'InternalServerError' : 'BadRequestError';
  return new ApiError(status, type, null, `The simulator was told to answer with status ${status}.`);
}
