import { passwordFault, passwordRules } from './password-rules';

const ada = { minimum: 12, username: 'ada.lovelace', email: 'ada.lovelace@example.com' };

describe('passwordFault', () => {
  it('asks for what it has told before', () => {
    const shortest = 'quiet lantern';
    const [, least, most] = /^(\d+) to (\d+) characters/.exec(passwordRules(shortest.length)) ?? [];
    const rules = { ...ada, minimum: shortest.length };
    expect([Number(least), passwordFault(shortest, rules)]).toEqual([shortest.length, null]);
    const longest = 'quiet lantern over the harbour '.repeat(5).slice(0, Number(most));
    expect([passwordFault(longest, rules), passwordFault(`${longest}x`, rules)]).toEqual([
      null,
      expect.stringContaining(`at most ${most} characters`),
    ]);
  });

  it('counts characters, not bytes or UTF-16 units', () => {
    expect(passwordFault('🐳🐙🦀🦞🦐🐠🐟🐡🐬🦈🐢🦎', ada)).toBeNull();
    expect(passwordFault('🐳🐙🦀🦞🦐🐠🐟🐡🐬🦈🐢', ada)).toMatch(/at least 12 characters/);
  });

  it('takes 128 characters and refuses 129 instead of cutting', () => {
    const long = 'quiet lantern over the harbour '.repeat(5);
    expect(passwordFault(long.slice(0, 128), ada)).toBeNull();
    expect(passwordFault(long.slice(0, 129), ada)).toMatch(/at most 128 characters/);
  });

  it('takes exactly 512 bytes', () => {
    expect(passwordFault('🐳🐙🦀🦞🦐🐠🐟🐡'.repeat(16), ada)).toBeNull();
  });

  it('keeps spaces at both ends as part of the password', () => {
    expect(passwordFault('  ten chars ', ada)).toBeNull();
    expect(passwordFault(' ten chars ', ada)).not.toBeNull();
  });

  it.each(['ADA.Lovelace', 'ada.lovelace@example.com', 'Ada.Lovelace@Example.com'])(
    'refuses %s, the name of its owner',
    (password) => expect(passwordFault(password, ada)).toMatch(/more than the username/),
  );

  it.each([
    ['zedzedzedzed', 'zedzedzedzed1'],
    ['zedzedzedzed', 'my ZedZedZedZed!'],
    ['nils', 'NilsNils-nils'],
    ['nils@example.com', 'nils nils nils!'],
    ['ada', 'adaadaada1234567'],
    ['a-quiet-lantern-of-mine', 'QUIET-lantern'],
  ])('refuses, of %s, what only adds to the name or takes from it: %s', (username, password) => {
    expect(passwordFault(password, { minimum: 12, username })).toMatch(/more than the username/);
  });

  it.each([
    ['ada', 'canadas quiet lantern'],
    ['nils', 'the lamps of Nils'],
    ['admin', 'admin-password-of-ours'],
  ])('takes, of %s, one of which the name is only a part: %s', (username, password) => {
    expect(passwordFault(password, { minimum: 12, username, email: null })).toBeNull();
  });

  it('refuses broken Unicode, which several passwords would share', () => {
    expect(passwordFault(`quiet lantern \ud800`, ada)).toMatch(/Unicode/);
  });
});
