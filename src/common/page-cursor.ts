import { ApiException } from './api.exception';

/** The place behind a row of a list; opaque to clients. */
export function toCursor(place: readonly string[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/**
 * @param forms what each part of the place must look like
 * @throws ApiException 400 for what was never given out as a cursor of this list
 */
export function fromCursor(cursor: string, forms: readonly RegExp[]): string[] {
  const place = parsed(Buffer.from(cursor, 'base64url').toString());
  const isPlace =
    Array.isArray(place) &&
    place.length === forms.length &&
    place.every(
      (part, index): part is string => typeof part === 'string' && forms[index]?.test(part) === true,
    );
  if (!isPlace || toCursor(place) !== cursor) {
    throw new ApiException({
      status: 400,
      code: 'invalid_request',
      param: 'cursor',
      message:
        'cursor must be the next_cursor of an earlier page of the same list; leave it out to begin at its start.',
    });
  }
  return place;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
