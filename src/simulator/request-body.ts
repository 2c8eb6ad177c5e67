import type { IncomingMessage } from 'node:http';
import { ApiError } from './api-error';

/** The JSON object of a request body. @throws ApiError as FastAPI says it */
export function parseBody(request: IncomingMessage, bytes: Buffer): Record<string, unknown> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new ApiError(
      400,
      'Bad Request',
      null,
      "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
    );
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  const value = text.trim() === '' ? null : parse(text);
  if (value === null) throw ApiError.validation({ kind: 'missing', at: 'body', text: 'Field required' });
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw ApiError.validation({
    kind: 'model_attributes_type',
    at: 'body',
    text: 'Input should be a valid dictionary or object to extract fields from',
    input: value,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const at = /position (\d+)/.exec(message)?.[1] ?? String(text.length);
    const reason = message.includes('after JSON') ? 'Extra data' : 'Expecting value';
    throw new ApiError(
      400,
      'Bad Request',
      `body.${at}`,
      `1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.${at}', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', 'ctx': {'error': '${reason}'}}`,
    );
  }
}
