import { fromCursor, toCursor } from './page-cursor';

const FORMS = [/^[a-z]+$/, /^\d+$/];

describe('the cursor of a list', () => {
  it('leads back to the place it was made of', () => {
    expect(fromCursor('users', toCursor('users', ['ada', '17']), FORMS)).toEqual(['ada', '17']);
  });

  it.each([
    '',
    'x',
    '%%%',
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"0":"users","1":"ada","2":"17"}').toString('base64url'),
    Buffer.from('["users", "ada", "17"]').toString('base64url'),
    Buffer.from('["ada","17"]').toString('base64url'),
    toCursor('invitations', ['ada', '17']),
    toCursor('users', ['ada']),
    toCursor('users', ['ada', '17', '18']),
    toCursor('users', ['ADA', '17']),
    `${toCursor('users', ['ada', '17'])}=`,
    Buffer.from('["users","ada",17]').toString('base64url'),
  ])('refuses %j, which was never given out', (cursor) => {
    expect(() => fromCursor('users', cursor, FORMS)).toThrow('cursor must be');
  });
});
