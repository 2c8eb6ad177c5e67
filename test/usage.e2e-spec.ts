import { fastest } from './support/fastest';
import { recordGeneration } from './support/generations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

interface Sums {
  total_tokens: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  requests: number;
}

interface Summary {
  tokens_used: number;
  token_limit: number | null;
  remaining: number | null;
  from: string;
  to: string;
  totals: Sums;
  windows: Record<string, unknown>[];
  by_day: (Sums & { day: string })[];
  by_model: (Sums & { model: string })[];
  by_key: (Sums & { key_id: string | null; name: string | null })[];
}

const BERLIN = 'Europe/Berlin';

describe('GET /users/usage', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let adasKey: string;

  const summary = async (user: TestUser, query = '') => {
    const answer = await send(`${gateway.url}/users/usage${query}`, { bearer: user.accessToken });
    return { status: answer.status, body: answer.body as unknown as Summary, problem: answer.body };
  };
  const keyIdOf = async (user: TestUser) => {
    const rows: { id: string }[] = await gateway.dataSource.query(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [user.id],
    );
    return rows[0]?.id ?? '';
  };

  beforeAll(async () => {
    gateway = await startGateway({ settings: { LIMITS_TIME_ZONE: BERLIN } });
    ada = await gateway.register();
    adasKey = await keyIdOf(ada);
    const generation = { userId: ada.id, keyId: adasKey, model: 'large' };
    // Berlin is two hours ahead of UTC in March's last days and one hour before: 2026-03-29 has 23 hours.
    const rows = [
      { at: '2026-03-27T12:00:00Z', prompt: 100, cached: 40, completion: 10, reasoning: 4 },
      { at: '2026-03-28T12:00:00Z', prompt: 200, completion: 20 },
      { at: '2026-03-28T23:30:00Z', prompt: 1_000, completion: 1 },
      { at: '2026-03-29T21:59:59Z', prompt: 2_000, completion: 2, model: 'small', keyId: undefined },
      { at: '2026-03-29T22:00:00Z', prompt: 4_000, completion: 4, model: 'small' },
    ];
    for (const { at, ...row } of rows)
      await recordGeneration(gateway, { ...generation, ...row, at: new Date(at) });
  });
  afterAll(() => gateway.close());

  it('answers the current calendar month, in the time zone of the gateway, when no range is given', async () => {
    const { status, body } = await summary(ada);
    const [month] = await gateway.dataSource.query<{ start: Date; end: Date }[]>(
      `SELECT limit_window_start('month', now(), $1) AS start, limit_window_end('month', now(), $1) AS end`,
      [BERLIN],
    );
    expect(status).toBe(200);
    expect([body.from, body.to]).toEqual([month?.start.toISOString(), month?.end.toISOString()]);
    expect(body.totals).toEqual({
      total_tokens: 0,
      prompt_tokens: 0,
      completion_tokens: 0,
      cached_tokens: 0,
      reasoning_tokens: 0,
      requests: 0,
    });
    expect([body.by_day, body.by_model, body.by_key]).toEqual([[], [], []]);
  });

  it('adds up days of the time zone, the last one included', async () => {
    const { body } = await summary(ada, '?from=2026-03-27&to=2026-03-29');
    expect([body.from, body.to]).toEqual(['2026-03-26T23:00:00.000Z', '2026-03-29T22:00:00.000Z']);
    expect(body.totals).toEqual({
      total_tokens: 3_333,
      prompt_tokens: 3_300,
      completion_tokens: 33,
      cached_tokens: 40,
      reasoning_tokens: 4,
      requests: 4,
    });
    expect(body.by_day.map(({ day, total_tokens }) => [day, total_tokens])).toEqual([
      ['2026-03-27', 110],
      ['2026-03-28', 220],
      ['2026-03-29', 3_003],
    ]);
  });

  it('adds up by model and by key, the most used first; a session has no key', async () => {
    const { body } = await summary(ada, '?from=2026-03-27&to=2026-03-29');
    expect(body.by_model.map(({ model, total_tokens }) => [model, total_tokens])).toEqual([
      ['small', 2_002],
      ['large', 1_331],
    ]);
    expect(body.by_key.map(({ key_id, requests }) => [key_id, requests])).toEqual([
      [null, 1],
      [adasKey, 3],
    ]);
    expect(body.by_key[1]?.name).toEqual(expect.any(String));
  });

  it.each([
    ['2026-03-28T12:00:00Z', '2026-03-29T21:59:59Z', 1_221],
    ['2026-03-28T12:00:01Z', '2026-03-29T22:00:00Z', 3_003],
    ['2026-03-28T13:00:00%2B01:00', '2026-03-28T13:00:01+01:00', 220],
    ['2026-03-27', '2026-03-28T12:00:01Z', 330],
    ['2026-03-29T22:00:00Z', '2026-03-30', 4_004],
    ['2026-03-28T12:00:00Z', '2026-03-28T12:00:00Z', 0],
  ])('counts a range that cuts days exactly: from %s to before %s', async (from, to, total) => {
    const { status, body } = await summary(ada, `?from=${from}&to=${to}`);
    expect(status).toBe(200);
    expect(body.totals.total_tokens).toBe(total);
    for (const list of [body.by_day, body.by_model, body.by_key]) {
      expect(list.reduce((sum, { total_tokens }) => sum + total_tokens, 0)).toBe(total);
    }
  });

  it('begins with the month of `to` when only that is given', async () => {
    const { body } = await summary(ada, '?to=2026-03-28');
    expect([body.from, body.totals.requests]).toEqual(['2026-02-28T23:00:00.000Z', 2]);
  });

  it('takes 366 days and says why it takes no more', async () => {
    expect((await summary(ada, '?from=2026-01-01&to=2027-01-01')).status).toBe(200);
    const { status, problem } = await summary(ada, '?from=1900-01-01&to=9999-12-31');
    expect(status).toBe(422);
    expect(problem).toMatchObject({ code: 'range_too_long', detail: expect.stringContaining('366 days') });
  });

  it('refuses a range that ends before it begins', async () => {
    const { status, problem } = await summary(ada, '?from=2026-03-29&to=2026-03-27');
    expect(status).toBe(400);
    expect(problem).toMatchObject({ param: 'from', detail: 'from must not be after to.' });
  });

  it.each([
    '?from=yesterday',
    '?from=2026-02-30',
    '?to=',
    '?from=2026-01-01&from=2026-01-02',
    '?userId=1',
    '?from=0',
  ])('refuses %s with a sentence', async (query) => {
    const { status, problem } = await summary(ada, query);
    expect(status).toBe(400);
    expect(problem).toMatchObject({ code: 'invalid_request', detail: expect.any(String) });
  });

  it('shows nobody else’s use', async () => {
    const bob = await gateway.register();
    const { body } = await summary(bob, '?from=2026-01-01&to=2026-12-31');
    expect(body.totals.requests).toBe(0);
    expect(JSON.stringify(body)).not.toContain(adasKey);
  });

  it('is closed to API keys', async () => {
    expect((await send(`${gateway.url}/users/usage`, { bearer: ada.key })).status).toBe(403);
  });

  describe('windows', () => {
    const setCounter = (
      user: TestUser,
      period: string,
      fields: { used: number; reserved: number; start: string },
    ) =>
      gateway.dataSource.query(
        `UPDATE limit_windows SET used = $3, reserved = $4, window_start = ${fields.start}
         WHERE subject = 'user' AND subject_id = $1 AND period = $2`,
        [user.id, period, fields.used, fields.reserved],
      );
    const current = (period: string) => `limit_window_start('${period}', now(), '${BERLIN}')`;

    it('are the tokens of the day, the month and in total, with what is held by requests under way', async () => {
      const user = await gateway.register();
      await setCounter(user, 'month', { used: 600, reserved: 300, start: current('month') });
      const { body } = await summary(user);
      expect(body.windows.map(({ metric, window }) => [metric, window])).toEqual([
        ['tokens', 'day'],
        ['tokens', 'month'],
        ['tokens', 'total'],
      ]);
      expect(body.windows[1]).toMatchObject({
        limit: 1_000_000,
        used: 600,
        reserved: 300,
        remaining: 999_100,
      });
      expect(body).toMatchObject({ tokens_used: 600, token_limit: 1_000_000, remaining: 999_100 });
    });

    it('have forgotten a month that is over, though nothing has been asked since', async () => {
      const user = await gateway.register();
      await setCounter(user, 'month', {
        used: 600,
        reserved: 300,
        start: `${current('month')} - interval '1 month'`,
      });
      const { body } = await summary(user);
      expect(body.windows[1]).toMatchObject({ used: 0, reserved: 0, remaining: 1_000_000 });
      expect(Date.parse(String(body.windows[1]?.resets_at))).toBeGreaterThan(Date.now());
    });

    it('never reset in total', async () => {
      const { body } = await summary(ada);
      expect(body.windows[2]).toMatchObject({
        window: 'total',
        limit: null,
        remaining: null,
        resets_at: null,
      });
    });

    it('sum up as the one with the least left', async () => {
      const user = await gateway.register();
      await setCounter(user, 'day', { used: 90, reserved: 0, start: current('day') });
      await gateway.dataSource.query(
        `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
         VALUES ('user', $1, 'tokens', 'day', 100, 'admin')`,
        [user.id],
      );
      expect((await summary(user)).body).toMatchObject({ tokens_used: 90, token_limit: 100, remaining: 10 });
    });
  });

  it('answers a user of 20,000 requests within 200 ms', async () => {
    const user = await gateway.register();
    await gateway.dataSource.query(
      `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, key_id, endpoint, model, stream,
         outcome, source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
       SELECT (substr(uuid_v7_floor(at)::text, 1, 14) || '7' || substr(md5(n::text), 1, 3) || '-8'
           || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid,
         at, at, $1, NULL, 'chat_completions', 'm' || n % 5, true, 'completed', 'exact', 200, 10, 0, 1, 0, 5
       FROM (SELECT n, now() - n * interval '20 minutes' AS at FROM generate_series(1, 20000) AS n) AS g`,
      [user.id],
    );
    const from = new Date(Date.now() - 300 * 86_400_000).toISOString();
    const ms = await fastest(async () => expect((await summary(user, `?from=${from}`)).status).toBe(200));
    expect(ms).toBeLessThan(200);
  });
});
