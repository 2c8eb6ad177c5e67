import { ApiException } from '../common/api.exception';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The place after a record in the list; opaque to clients. */
export function toCursor(requestId: string): string {
  return Buffer.from(requestId.replaceAll('-', ''), 'hex').toString('base64url');
}

/** @throws ApiException 400 for what was never given out as a cursor. */
export function fromCursor(cursor: string): string {
  const hex = Buffer.from(cursor, 'base64url').toString('hex');
  const requestId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  if (!UUID_V7.test(requestId) || toCursor(requestId) !== cursor) {
    throw new ApiException({
      status: 400,
      code: 'invalid_request',
      param: 'cursor',
      message:
        'cursor must be the next_cursor of an earlier page; leave it out to begin with the newest record.',
    });
  }
  return requestId;
}
