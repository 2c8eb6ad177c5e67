import { fromCursor, toCursor } from './record-cursor';

const REQUEST_ID = '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11';

describe('record cursors', () => {
  it('come back as the record they were made of', () => {
    expect(fromCursor(toCursor(REQUEST_ID))).toBe(REQUEST_ID);
  });

  it.each(['', 'x', REQUEST_ID, `${toCursor(REQUEST_ID)}=`, 'A'.repeat(22), '../etc/passwd', 'ÿ'.repeat(22)])(
    'refuse %j with 400',
    (cursor) => {
      expect(() => fromCursor(cursor)).toThrow(
        expect.objectContaining({ code: 'invalid_request', param: 'cursor' }),
      );
    },
  );
});
