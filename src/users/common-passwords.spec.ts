import { isCommonPassword } from './common-passwords';

describe('isCommonPassword', () => {
  it.each([
    'password1234',
    'PASSWORD1234',
    'P@ssw0rd1234',
    'passwordpassword',
    'iloveyou1234',
    'qwertyuiop[]',
    'qwerty123456',
    '1qaz2wsx3edc',
    '1q2w3e4r5t6y',
    '123456789012',
    '098765432109',
    'aaaaaaaaaaaa',
    'abcabcabcabc',
    '121212121212',
    'chelsea12345',
    'sunshine2024',
    'abcdefghijkl',
    'Password123!',
    'Welcome2026!',
    'Summer2026!!',
    'Passwort2026!',
    'Password!2026',
    'P@ssw0rd2026!',
    'adminpassword',
    'adminpassword1',
    'MonkeyDragon99!',
    'qwertz123456',
    'qwertzuiop123',
    'azertyuiop123',
    '!qaz2wsx3edc',
  ])('knows %s, which guessers try first', (password) => {
    expect(isCommonPassword(password)).toBe(true);
  });

  it.each([
    'correct horse battery staple',
    'my dog ate 3 pizzas',
    'Zx7-quiet-lantern',
    'horse!battery!staple',
    'monkey dragon summer',
    'wintergarten im mai',
    'unsere-kleine-farm-1987',
    'ÄÖÜ-ausgedacht-und-lang',
    '🐳🐳🐙🦀🦞🦐🐠🐟🐡🐬🦈🐳',
  ])('takes %s', (password) => {
    expect(isCommonPassword(password)).toBe(false);
  });
});
