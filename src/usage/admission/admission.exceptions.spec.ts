import { BlockingLimit, quotaExceeded } from './admission.exceptions';

const limit = (fields: Partial<BlockingLimit>): BlockingLimit => ({
  subject: 'key',
  metric: 'tokens',
  period: 'day',
  setBy: 'admin',
  model: null,
  amount: 5_000,
  used: 0,
  needed: 7_500,
  generates: true,
  roomAt: null,
  ...fields,
});
const messageOf = (fields: Partial<BlockingLimit>): string => quotaExceeded(limit(fields), 402).message;

describe('a final refusal', () => {
  it.each<[string, Partial<BlockingLimit>, RegExp]>([
    [
      'nothing is used yet',
      {},
      /need more tokens than this API key may use in a day\. Waiting does not help/,
    ],
    ['something is', { used: 300 }, /may use in a day\. Waiting does not help/],
    ['the limit never resets', { period: 'total' }, /may use in all\. Waiting does not help/],
    ['the window is short', { period: 'hour', used: 4_999 }, /may use in an hour\. Waiting does not help/],
    ['the answer alone is larger', { amount: 10, needed: 16 }, /Waiting does not help/],
  ])('says that the limit is too small for the prompt: %s', (_, fields, message) => {
    expect(messageOf(fields)).toMatch(message);
  });

  it.each<[Partial<BlockingLimit>, string]>([
    [{ setBy: 'admin' }, 'have the limit raised. Only an administrator can raise it.'],
    [{ setBy: 'self' }, 'have the limit raised. The owner of the key has set this limit and may lift it.'],
    [
      { setBy: 'self', subject: 'user' },
      'have the limit raised. It is a limit you set yourself and may lift.',
    ],
  ])('says who can raise such a limit: %j', (fields, end) => {
    expect(messageOf(fields).endsWith(end)).toBe(true);
  });

  it('says that less is left than the prompt needs, and when that will be otherwise', () => {
    expect(messageOf({ amount: 9_000, used: 4_000 })).toBe(
      'This prompt and a short answer need more tokens than are left today of the quota of this API key. ' +
        'It resets at the start of the next day.',
    );
  });

  it.each([8_985, 9_000, 9_400])('says that the quota is used up: %i of 9000', (used) => {
    expect(messageOf({ amount: 9_000, used, needed: 20_000 })).toBe(
      'The token quota of this API key is used up today. It resets at the start of the next day.',
    );
  });

  it('says of requests only that they are used up', () => {
    expect(messageOf({ metric: 'requests', amount: 3, used: 3 })).toMatch(
      /^The request quota .* is used up today/,
    );
  });

  it.each<[model: string, name: string]>([
    ['Qwen/Qwen3-8B', 'for model `Qwen/Qwen3-8B`'],
    // The end reads as a status.
    ['Qwen3-30B-A3B-Instruct-2507', 'for this model'],
    ['retry-bot', 'for this model'],
  ])('names the model %s, unless opencode would ask again for its name', (model, name) => {
    expect(messageOf({ model, amount: 0 })).toContain(` of this API key ${name} allows no tokens`);
    expect(messageOf({ model, metric: 'requests', amount: 3, used: 3 })).toContain(
      `${name} is used up today`,
    );
    expect(messageOf({ model })).toContain(`this API key may use in a day ${name}. Waiting`);
    expect(messageOf({ model, amount: 9_000, used: 4_000 })).toContain(`of this API key ${name}. It resets`);
  });

  it('does not speak of an answer where there is none', () => {
    expect(messageOf({ generates: false, amount: 9_000, used: 4_000 })).toMatch(
      /^What this request sends needs more tokens than are left today of the quota of this API key\. /,
    );
    expect(messageOf({ generates: false })).toMatch(
      /^What this request sends needs more tokens than this API key may use in a day\. Waiting does not help: send less at once/,
    );
  });

  it('holds no digits, and no words for which opencode would ask again', () => {
    const words =
      /\d|rate.?limit|too.?many|time.?out|timed|overload|unavailable|try again|exhausted|retry|temporar/i;
    const periods = ['minute', 'hour', 'day', 'week', 'month', 'total'] as const;
    const messages = periods.flatMap((period) =>
      (['default', 'admin', 'self'] as const).flatMap((setBy) =>
        (['everyone', 'user', 'key'] as const).flatMap((subject) =>
          [0, 4_000, 4_999].flatMap((used) =>
            [0, 5_000, 9_000].map((amount) => messageOf({ period, setBy, subject, used, amount })),
          ),
        ),
      ),
    );
    expect(messages.filter((message) => words.test(message))).toEqual([]);
  });
});
