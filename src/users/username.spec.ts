import { isUsername, USERNAME_RULES, usernameKey } from './username';

describe('usernames', () => {
  it.each(['ada', 'a', 'ada@example.com', "o'brien+test@example.co.uk", 'Ünsal', '小林', 'a'.repeat(128)])(
    'takes %s',
    (name) => expect(isUsername(name)).toBe(true),
  );

  it.each([
    '',
    ' ada',
    'ada lovelace',
    'ada\n',
    'ada\u0000',
    'ada\u200b',
    'ada\u202e',
    'ada\u034f',
    'ada\u115f',
    'ada\u2800',
    'ada\u3164',
    'ada\ufe0f',
    'ada\uffa0',
    'ada\u{e0101}',
    '<script>',
    `'";--`,
    'a'.repeat(129),
    '\ufdfa',
    '\ufb01'.repeat(128),
    '\ud800',
    42,
    null,
    ['ada'],
    { $ne: 1 },
  ])('refuses %j', (name) => expect(isUsername(name)).toBe(false));

  it('asks for what it has told before', () => {
    const [, most, forbidden = ''] =
      /of at most (\d+) characters, without spaces or any of (\S.*) in it\.$/.exec(USERNAME_RULES) ?? [];
    const longest = 'a'.repeat(Number(most));
    expect([isUsername(longest), isUsername(`${longest}a`)]).toEqual([true, false]);
    const characters = forbidden.split('\u00a0');
    expect(characters).toHaveLength(11);
    expect(characters.filter((character) => isUsername(`a${character}`))).toEqual([]);
  });

  it('treats names that differ in case or in compatible characters as the same', () => {
    expect(usernameKey('ADA')).toBe(usernameKey('ada'));
    expect(usernameKey('ａｄａ')).toBe(usernameKey('ada'));
    expect(usernameKey('e\u0301va')).toBe(usernameKey('\u00e9va'));
    for (const name of ['ΟΔΥΣΣΕΥΣ', 'Οδυσσεύς'.replace('ύ', 'υ'), 'οδυσσευσ']) {
      expect(usernameKey(name)).toBe('οδυσσευσ');
    }
  });
});
