import type { IncomingMessage } from 'node:http';
import { ApiException } from '../../common/api.exception';

const ACCEPTED = /^[\x21-\x7e]{1,255}$/;

/**
 * The header `Idempotency-Key`: a client's name for a request and its repetitions; null without one.
 * @throws ApiException 400 when it is empty, too long or not printable ASCII
 */
export function idempotencyKey({ headers }: IncomingMessage): string | null {
  const value = headers['idempotency-key'];
  if (value === undefined) return null;
  if (typeof value === 'string' && ACCEPTED.test(value)) return value;
  throw new ApiException({
    status: 400,
    code: 'invalid_idempotency_key',
    message: 'Idempotency-Key takes up to 255 printable ASCII characters without spaces; a UUID is best.',
  });
}
