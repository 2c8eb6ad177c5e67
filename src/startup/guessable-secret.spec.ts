import { randomBytes } from 'node:crypto';
import { isGuessableSecret } from './guessable-secret';

describe('isGuessableSecret', () => {
  it.each([
    'ab'.repeat(20),
    '0123456789abcdef0123456789abcdef',
    'correct-horse-'.repeat(3),
    'abcdefghijklmnopabcdefghijklmnopabc',
    'change-me-change-me-to-something-long',
    'ChangeThisToALongRandomString1234567',
    'please_replace_me_before_production_1',
    'your-jwt-secret-of-at-least-32-characters',
    'my super secret key nobody will guess 42',
    'a-placeholder-of-32-characters-or-more',
  ])('knows %s', (secret) => {
    expect(isGuessableSecret(secret)).toBe(true);
  });

  it('takes what was generated, in any alphabet', () => {
    for (let n = 0; n < 2_000; n += 1) {
      for (const alphabet of ['hex', 'base64', 'base64url'] as const) {
        const secret = randomBytes(32).toString(alphabet);
        expect([secret, isGuessableSecret(secret)]).toEqual([secret, false]);
      }
    }
  });
});
