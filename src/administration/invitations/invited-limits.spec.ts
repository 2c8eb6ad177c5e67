import { givenLimits, toLimitView } from './invited-limits';

describe('the limits of an invitation', () => {
  it('are none when none are named: the defaults hold', () => {
    expect(givenLimits({})).toEqual([]);
  });

  it('begin with token_limit, the tokens of a month', () => {
    expect(
      givenLimits({ token_limit: 5, limits: [{ metric: 'requests', window: 'minute', amount: 9 }] }),
    ).toEqual([
      { metric: 'tokens', period: 'month', model: '', amount: 5 },
      { metric: 'requests', period: 'minute', model: '', amount: 9 },
    ]);
  });

  it('keep null apart from what is not named: no cap at all', () => {
    expect(givenLimits({ token_limit: null })).toEqual([
      { metric: 'tokens', period: 'month', model: '', amount: null },
    ]);
  });

  it('know one counter of concurrent requests, whatever window is named', () => {
    const limits = [{ metric: 'concurrent_requests', window: 'minute', amount: 4 } as const];
    expect(givenLimits({ limits }).map(toLimitView)).toEqual([
      { metric: 'concurrent_requests', window: null, model: null, amount: 4 },
    ]);
  });

  it('may be on the same window of different models', () => {
    const limits = ['one', 'two'].map(
      (model) => ({ metric: 'tokens', window: 'day', model, amount: 4 }) as const,
    );
    expect(givenLimits({ limits }).map(toLimitView)).toEqual(limits);
  });

  it.each([
    [
      'twice in the list',
      {
        limits: [
          { metric: 'tokens', window: 'day', amount: 1 },
          { metric: 'tokens', window: 'day', amount: 2 },
        ],
      },
    ],
    [
      'in the list and as token_limit',
      { token_limit: null, limits: [{ metric: 'tokens', window: 'month', amount: 2 }] },
    ],
    [
      'twice, with and without a window that does not matter',
      {
        limits: [
          { metric: 'concurrent_requests', amount: 1 },
          { metric: 'concurrent_requests', window: 'day', amount: 1 },
        ],
      },
    ],
  ] as const)('are refused when one counter is named %s', (_, dto) => {
    expect(() => givenLimits(dto as unknown as Parameters<typeof givenLimits>[0])).toThrow(/once/);
  });
});
