import type { IncomingMessage } from 'node:http';
import { readCredential } from './credential';

function request(...rawHeaders: string[]): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i]!.toLowerCase()] ??= rawHeaders[i + 1]!;
  return { rawHeaders, headers } as unknown as IncomingMessage;
}

describe('readCredential', () => {
  it.each(['Bearer abc', 'bearer abc', 'BEARER  abc', 'Bearer abc '])('reads "%s"', (value) => {
    expect(readCredential(request('Authorization', value))).toEqual({
      token: 'abc',
      header: 'authorization',
    });
  });

  it.each(['', 'Bearer', 'bearer  '])(
    'takes x-api-key beside an Authorization without a credential: "%s"',
    (empty) => {
      expect(readCredential(request('Authorization', empty, 'x-api-key', 'abc'))).toEqual({
        token: 'abc',
        header: 'x-api-key',
      });
      expect(readCredential(request('Authorization', empty))).toBeNull();
    },
  );

  it('reads x-api-key', () => {
    expect(readCredential(request('X-Api-Key', 'abc'))).toEqual({ token: 'abc', header: 'x-api-key' });
  });

  it.each(['Basic abc', 'Bearer', 'Bearer ', 'abc', 'Bearer a b', ''])('finds none in "%s"', (value) => {
    expect(readCredential(request('Authorization', value))).toBeNull();
  });

  it('takes the same key in both headers as one', () => {
    expect(readCredential(request('Authorization', 'Bearer abc', 'x-api-key', 'abc'))?.token).toBe('abc');
  });

  it.each([
    ['different keys', ['Authorization', 'Bearer abc', 'x-api-key', 'abd']],
    ['another scheme beside a key', ['Authorization', 'Basic abc', 'x-api-key', 'abc']],
    ['two Authorization headers', ['Authorization', 'Bearer abc', 'authorization', 'Bearer abc']],
    ['two x-api-key headers', ['x-api-key', 'abc', 'X-API-KEY', 'abc']],
  ])('refuses %s with 400', (_, headers) => {
    expect(() => readCredential(request(...headers))).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('reads nothing else', () => {
    expect(readCredential(request('Cookie', 'access_token=abc', 'api-key', 'abc'))).toBeNull();
  });
});
