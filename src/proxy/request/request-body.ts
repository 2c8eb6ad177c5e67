import type { IncomingMessage } from 'node:http';
import { ApiException } from '../../common/api.exception';
import type { BodyMemory } from './body-memory';
import { BodyPieces } from './body-pieces';

/** Silence allowed while a body is being sent, in milliseconds. */
const BODY_IDLE_MS = 20_000;

/**
 * Reads a JSON request body as bytes. Called after the guards, so an unauthenticated client never makes us hold one.
 * At once when all of it has come with its head, as most bodies do.
 * @param memory where what comes in pieces is counted; to be released there once it is not needed any more
 * @throws ApiException 415 for anything but JSON, 413 above `limit` bytes, 408 when the client falls silent, 503 when there is
 * no room for it
 */
export function readJsonBytes(
  request: IncomingMessage,
  limit: number,
  memory: BodyMemory,
): Buffer | Promise<Buffer> {
  if (!isJson(request.headers['content-type'] ?? '')) {
    throw new ApiException({
      status: 415,
      code: 'unsupported_media_type',
      message: 'Send the request as JSON with the header `content-type: application/json`.',
    });
  }
  if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    throw new ApiException({
      status: 415,
      code: 'unsupported_media_type',
      message: 'Compressed request bodies are not accepted; send plain JSON.',
    });
  }
  const length = Number(request.headers['content-length'] ?? NaN);
  if (length > limit) throw bodyTooLarge(limit);
  // Handlers run before Node's parser has said that the body is complete: that all of its bytes are there will do.
  const isThere = request.complete || request.readableLength === length;
  return isThere && !request.destroyed ? whatCame(request, limit) : collect(request, limit, memory);
}

/** Whatever parameters it has besides, as for Express and vLLM; JSON of another charset would be read as something else. */
function isJson(type: string): boolean {
  // What nearly all send, with each generation.
  if (type === 'application/json') return true;
  const [media, ...parameters] = type.split(';');
  return (
    media?.trim().toLowerCase() === 'application/json' &&
    parameters.every((one) => !/^\s*charset\s*=/i.test(one) || /=\s*"?utf-?8"?\s*$/i.test(one))
  );
}

function whatCame(request: IncomingMessage, limit: number): Buffer {
  const bytes = request.readableLength <= limit ? (request.read() as Buffer | null) : undefined;
  // Up to its end, or Node would hold on to the request for as long as its connection is idle.
  request.resume();
  if (bytes === undefined) throw bodyTooLarge(limit);
  return bytes ?? Buffer.alloc(0);
}

function collect(request: IncomingMessage, limit: number, memory: BodyMemory): Promise<Buffer> {
  // A client may have left while its credential was looked up: no event will tell.
  if (request.destroyed) return Promise.reject(bodyIncomplete());
  return new Promise((resolve, reject) => {
    const pieces = new BodyPieces();
    const timer = setTimeout(() => finish(bodyTimedOut()), BODY_IDLE_MS);
    const onData = (chunk: Buffer) => {
      if (pieces.size + chunk.length > limit) return finish(bodyTooLarge(limit));
      pieces.add(chunk);
      timer.refresh();
      memory.take(request, chunk.length, () => finish(noRoom()));
    };
    const onEnd = () => finish();
    const onClose = () => finish(bodyIncomplete());
    const finish = (error?: ApiException) => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error) {
        memory.release(request);
        pieces.clear();
        // What is still on its way is thrown away, so that the client gets to read the answer.
        request.on('error', () => undefined).resume();
        reject(error);
      } else {
        memory.keep(request);
        resolve(pieces.together());
      }
    };
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

const bodyIncomplete = (): ApiException =>
  new ApiException({ status: 400, code: 'body_incomplete', message: 'The body was cut off.' });

const bodyTooLarge = (limit: number): ApiException =>
  new ApiException({
    status: 413,
    code: 'body_too_large',
    message: `The request body is larger than the ${Math.floor(limit / 1_024)} KiB this gateway accepts.`,
    headers: { connection: 'close' },
  });

export const noRoom = (): ApiException =>
  new ApiException({
    status: 503,
    code: 'overloaded',
    message:
      'The gateway has no room for more large request bodies at the moment. Send this one again shortly.',
    headers: { 'retry-after': '2', connection: 'close' },
  });

export const bodyTimedOut = (): ApiException =>
  new ApiException({
    status: 408,
    code: 'body_timeout',
    message: 'The request body did not arrive in time.',
    headers: { connection: 'close' },
  });
