import { ApiException } from './api.exception';

/**
 * The place behind a row of a list; opaque to clients.
 * @param list its name: places of two lists may look the same
 */
export function toCursor(list: string, place: readonly string[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString('base64url');
}

/**
 * @param forms what each part of the place must look like
 * @throws ApiException 400 for what was never given out as a cursor of this list
 */
export function fromCursor(list: string, cursor: string, forms: readonly RegExp[]): string[] {
  const parts = parsed(Buffer.from(cursor, 'base64url').toString());
  const [name, ...place] = Array.isArray(parts) ? (parts as unknown[]) : [];
  const isPlace =
    name === list &&
    place.length === forms.length &&
    place.every((part, index) => typeof part === 'string' && forms[index]?.test(part) === true);
  if (!isPlace || toCursor(list, place as string[]) !== cursor) {
    throw new ApiException({
      status: 400,
      code: 'invalid_request',
      param: 'cursor',
      message:
        'cursor must be the next_cursor of an earlier page of the same list; leave it out to begin at its start.',
    });
  }
  return place as string[];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
