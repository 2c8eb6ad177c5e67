import { earlyInTheMinute } from './support/early-in-the-minute';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { holdStreams } from './support/held-streams';
import { settledRows, untilNothingOpen } from './support/ledger';
import { ledgerReport } from './support/ledger-report';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];
const EVERYONE = { subject: 'everyone' };

describe('limits as rows', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
    gateway.simulator.journal.clear();
  });
  afterEach(async () => {
    gateway.simulator.settings.hung = false;
    await gateway.dataSource.query(`DELETE FROM limits WHERE subject = 'everyone'`);
  });

  const send = (method: string, path: string, credential: string, body?: unknown) =>
    fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const limit = async (fields: object) => {
    const answer = await send('PUT', '/admin/limits', admin.accessToken, {
      subject: 'user',
      ...('subject' in fields ? {} : { subject_id: user.id }),
      ...fields,
    });
    const view = (await answer.json()) as { id: string; amount: number };
    if (answer.status !== 200) throw new Error(JSON.stringify(view));
    return view;
  };
  const chat = (steps: object = { tokens: 5 }, body: object = {}, key = user.key) =>
    gateway.post('/v1/chat/completions', key, { model: 'opencode-llm', messages: said(steps), ...body });
  const errorOf = async (answer: Response) =>
    ((await answer.json()) as { error: { code: string; message: string } }).error;
  /** As if the requests counted so far had been sent in the minute before. */
  const minuteBefore = async () => {
    await untilNothingOpen(gateway);
    await gateway.dataSource.query(
      `UPDATE limit_windows SET window_start = window_start - interval '1 minute'
       WHERE subject_id = $1 AND metric = 'requests' AND period = 'minute'`,
      [user.id],
    );
    await gateway.dataSource.query(
      `UPDATE usage_records SET admitted_at = admitted_at - interval '1 minute' WHERE user_id = $1`,
      [user.id],
    );
  };

  describe('requests a minute', () => {
    it('refuses the one too many with 429 and says when to come back', async () => {
      await earlyInTheMinute();
      await limit({ metric: 'requests', window: 'minute', amount: 3 });
      const answers = [await chat(), await chat(), await chat()];
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(answers.map(({ headers }) => headers.get('x-ratelimit-remaining-requests'))).toEqual([
        '2',
        '1',
        '0',
      ]);
      const refused = await chat();
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.get('x-ratelimit-limit-requests')).toBe('3');
      expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
      expect(await errorOf(refused)).toMatchObject({
        code: 'rate_limit_exceeded',
        message: expect.stringMatching(
          /Too many requests this minute for your account\. Retry after \d+ s\./,
        ),
      });
      expect(await settledRows(gateway, user.id)).toHaveLength(3);
    });

    it('counts what is left of the minute before: no double burst at the boundary', async () => {
      await earlyInTheMinute();
      await limit({ metric: 'requests', window: 'minute', amount: 10 });
      await Promise.all(Array.from({ length: 10 }, () => chat()));
      await minuteBefore();
      const minute = Math.floor(Date.now() / 60_000) * 60_000;
      const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await chat()).status));
      const admitted = statuses.filter((status) => status === 200).length;
      // Of the ten of the minute before, (60 - seconds) / 60 still counted when the last of these came.
      const seconds = (Date.now() - minute) / 1_000;
      const most = Math.floor((seconds / 60) * 10);
      expect(admitted).toBeLessThanOrEqual(most);
      expect(statuses.filter((status) => status === 429)).toHaveLength(10 - admitted);
    });

    it('lets in again exactly when Retry-After says, not before', async () => {
      await earlyInTheMinute();
      await limit({ metric: 'requests', window: 'minute', amount: 60 });
      await gateway.dataSource.query(
        `UPDATE limit_windows SET used = 0, previous = 61, window_start = date_trunc('minute', now())
         WHERE subject_id = $1 AND metric = 'requests' AND period = 'minute'`,
        [user.id],
      );
      let answer = await chat();
      for (let tries = 0; answer.status !== 200 && tries < 3; tries += 1) {
        const seconds = Number(answer.headers.get('retry-after'));
        expect(seconds).toBeLessThanOrEqual(3);
        await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
        answer = await chat();
      }
      expect(answer.status).toBe(200);
    });

    it('counts the requests of the window so far when the limit is new', async () => {
      await earlyInTheMinute();
      await chat();
      await chat();
      await untilNothingOpen(gateway);
      await limit({ metric: 'requests', window: 'minute', amount: 2 });
      expect((await chat()).status).toBe(429);
      expect((await ledgerReport(gateway)).differences).toEqual([]);
    });
  });

  it('answers a spent quota of requests with 402, like one of tokens', async () => {
    await limit({ metric: 'requests', window: 'day', amount: 1 });
    await chat();
    const refused = await chat();
    expect(refused.status).toBe(402);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    const { code, message } = await errorOf(refused);
    expect(code).toBe('insufficient_quota');
    expect(message).toMatch(/request quota of your account is used up today/);
    expect(message).not.toMatch(/\d/);
  });

  it('answers a short window of tokens with 429, and a request too large for it with a final refusal', async () => {
    await earlyInTheMinute();
    await chat({ tokens: 100 });
    const [row] = await settledRows(gateway, user.id);
    const used = (row?.prompt_tokens ?? 0) + (row?.completion_tokens ?? 0);
    await limit({ metric: 'tokens', window: 'minute', amount: used + 10 });
    const refused = await chat({ tokens: 40 });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    const large = await chat(
      { tokens: 5 },
      { messages: [{ role: 'user', content: 'long words '.repeat(300) }] },
    );
    expect(large.status).toBe(402);
    expect((await errorOf(large)).message).toMatch(/more tokens than your account may use in a minute/);
  });

  it('holds concurrent requests, and frees their place with the settlement', async () => {
    await limit({ metric: 'concurrent_requests', amount: 2 });
    const body = { model: 'opencode-llm', messages: said({ tokens: 5 }) };
    const first = await holdStreams(gateway, user, body, 2);
    const refused = await chat();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await errorOf(refused)).message).toMatch(/Too many requests at once for your account/);
    const whole = expect.stringContaining('data: [DONE]') as string;
    expect(await first.release()).toEqual([whole, whole]);
    expect((await chat()).status).toBe(200);
  });

  it.each<[what: string, when: string, fields: object]>([
    ['requests', 'at once', { metric: 'concurrent_requests' }],
    ['requests', 'a minute', { metric: 'requests', window: 'minute' }],
    ['requests', 'a month', { metric: 'requests', window: 'month' }],
    ['tokens', 'a minute', { metric: 'tokens', window: 'minute' }],
    ['tokens', 'a month', { metric: 'tokens', window: 'month' }],
    ['tokens', 'in total', { metric: 'tokens', window: 'total' }],
  ])('refuses for good where no %s %s are allowed at all', async (what, _, fields) => {
    const { id } = await limit({ ...fields, amount: 0 });
    const refused = await chat();
    expect(refused.status).toBe(402);
    expect([refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual([
      'false',
      null,
    ]);
    expect(await errorOf(refused)).toMatchObject({
      code: 'insufficient_quota',
      message: `The limit of your account allows no ${what} at all. Only an administrator can raise it.`,
    });
    expect(await settledRows(gateway, user.id)).toEqual([]);
    await send('DELETE', `/admin/limits/${id}`, admin.accessToken);
    expect((await chat()).status).toBe(200);
  });

  it('holds everyone together', async () => {
    await untilNothingOpen(gateway);
    const other = await gateway.register();
    await limit({ ...EVERYONE, metric: 'tokens', window: 'total', amount: 1 });
    for (const key of [user.key, other.key]) {
      const refused = await chat({ tokens: 5 }, {}, key);
      expect(refused.status).toBe(402);
      expect((await errorOf(refused)).message).toMatch(/all users together/);
    }
  });

  it('counts one model alone when the limit names it', async () => {
    await limit({ metric: 'tokens', window: 'total', model: 'another-model', amount: 0 });
    expect((await chat()).status).toBe(200);
    await limit({ metric: 'tokens', window: 'total', model: 'opencode-llm', amount: 0 });
    expect((await chat()).status).toBe(402);
  });

  it('raises a limit until a point in time, and falls back to it then', async () => {
    const { id } = await limit({ metric: 'tokens', window: 'day', amount: 0 });
    expect((await chat()).status).toBe(402);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const raised = await send('PUT', `/admin/limits/${id}/temporary`, admin.accessToken, {
      amount: 10_000,
      until,
    });
    expect(raised.status).toBe(200);
    expect(await raised.json()).toMatchObject({ amount: 0, temporary: { amount: 10_000, until } });
    expect((await chat()).status).toBe(200);
    // As if its hour were over.
    await gateway.dataSource.query('UPDATE limits SET temporary_until = now() WHERE id = $1', [id]);
    expect((await chat()).status).toBe(402);
  });

  it('tells of the tightest limits on every answer, as the counters have it', async () => {
    await limit({ metric: 'tokens', window: 'day', amount: 40_000 });
    const answer = await chat({ tokens: 5 }, { max_tokens: 10 });
    expect(answer.headers.get('x-ratelimit-limit-tokens')).toBe('40000');
    expect(answer.headers.get('x-ratelimit-reset-tokens')).toMatch(/^(\d+h)?(\d+m)?\d+s$/);
    const remaining = Number(answer.headers.get('x-ratelimit-remaining-tokens'));
    await untilNothingOpen(gateway);
    const usage = (await (await gateway.get('/v1/usage', user.key)).json()) as {
      remaining: number;
      windows: Record<string, unknown>[];
    };
    // The header was written while the request held its reservation.
    expect(remaining).toBeLessThanOrEqual(usage.remaining);
    expect(remaining).toBeGreaterThan(usage.remaining - 1_000);
    expect(usage.windows).toContainEqual(
      expect.objectContaining({ subject: 'user', metric: 'tokens', window: 'day', limit: 40_000 }),
    );
  });

  it('gives a key its own numbers, and those of its owner', async () => {
    const made = await gateway.post('/users/me/api-keys', user.accessToken, { name: 'other' });
    const other = (await made.json()) as { id: string; key: string };
    await chat({ tokens: 5 });
    await chat({ tokens: 5 }, {}, other.key);
    const rows = await settledRows(gateway, user.id);
    const sum = (some: typeof rows) =>
      some.reduce((all, row) => all + row.prompt_tokens + row.completion_tokens, 0);
    const usage = (await (await gateway.get('/v1/usage', other.key)).json()) as {
      key_id: string;
      totals: { total_tokens: number; requests: number };
      windows: { subject: string; window: string; used: number }[];
      by_model: unknown[];
      by_day: unknown[];
    };
    expect(usage.key_id).toBe(other.id);
    expect(usage.totals).toMatchObject({
      requests: 1,
      total_tokens: sum(rows.filter((row) => row.key_id === other.id)),
    });
    expect(usage.by_model).toHaveLength(1);
    const day = new Date().toISOString().slice(0, 10);
    expect(usage.by_day).toEqual([expect.objectContaining({ ...usage.totals, day })]);
    const month = (subject: string) =>
      usage.windows.find((window) => window.subject === subject && window.window === 'month')?.used;
    expect(month('key')).toBe(usage.totals.total_tokens);
    expect(month('user')).toBe(sum(rows));
  });

  it('agrees with the ledger after all of it', async () => {
    await untilNothingOpen(gateway);
    expect((await ledgerReport(gateway)).differences).toEqual([]);
  });
});
