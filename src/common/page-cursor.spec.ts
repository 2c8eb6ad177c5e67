import { fromCursor, toCursor } from './page-cursor';

const FORMS = [/^[a-z]+$/, /^\d+$/];

describe('the cursor of a list', () => {
  it('leads back to the place it was made of', () => {
    expect(fromCursor(toCursor(['ada', '17']), FORMS)).toEqual(['ada', '17']);
  });

  it.each([
    '',
    'x',
    '%%%',
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"0":"ada","1":"17"}').toString('base64url'),
    Buffer.from('["ada", "17"]').toString('base64url'),
    toCursor(['ada']),
    toCursor(['ada', '17', '18']),
    toCursor(['ADA', '17']),
    `${toCursor(['ada', '17'])}=`,
    Buffer.from('["ada",17]').toString('base64url'),
  ])('refuses %j, which was never given out', (cursor) => {
    expect(() => fromCursor(cursor, FORMS)).toThrow('cursor must be');
  });
});
