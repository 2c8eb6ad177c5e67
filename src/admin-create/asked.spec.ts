import { askedFor } from './asked';

describe('the command line of admin:create', () => {
  it.each([
    [[], { username: undefined, reset: false }],
    [['ada'], { username: 'ada', reset: false }],
    [['ada', '--reset'], { username: 'ada', reset: true }],
    [['--reset', 'ada'], { username: 'ada', reset: true }],
    [['--reset'], { username: undefined, reset: true }],
  ])('understands %j', (words, asked) => {
    expect(askedFor(words)).toEqual(asked);
  });

  it.each([
    [['ada', 'my secret phrase']],
    [['--password=my secret phrase']],
    [['ada', '--rest']],
    [['-p', 'x']],
  ])('refuses %j without repeating it', (words) => {
    const ask = () => askedFor(words);
    expect(ask).toThrow('a password goes into ADMIN_PASSWORD');
    expect(ask).not.toThrow(/secret|--rest\b/);
  });
});
