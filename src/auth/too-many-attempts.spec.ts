import { tooManyAttempts } from './too-many-attempts';

describe('tooManyAttempts', () => {
  it.each([
    [1, '1 minute'],
    [60, '1 minute'],
    [61, '2 minutes'],
    [841, '15 minutes'],
    [900, '15 minutes'],
  ])('tells people %i seconds as %s, and programs as they are', (seconds, words) => {
    const { message, headers } = tooManyAttempts('from one network', seconds);
    expect([message, headers]).toEqual([
      `Too many wrong passwords from your network; try again in ${words}.`,
      { 'retry-after': String(seconds) },
    ]);
  });

  it('names the way out where there is one besides waiting', () => {
    const told = (['at one username', 'from one network', 'to register'] as const).map(
      (attempts) => tooManyAttempts(attempts, 900).message,
    );
    expect(told).toEqual([
      'Too many wrong passwords for this username; try again in 15 minutes, or ask an administrator for a password link.',
      'Too many wrong passwords from your network; try again in 15 minutes.',
      'Too many attempts to register from your network; try again in 15 minutes.',
    ]);
  });
});
