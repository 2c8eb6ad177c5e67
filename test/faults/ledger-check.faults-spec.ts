import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { cleanUp, emptyFolder, printedAdmin, startProcess, ensureBuilt } from '../support/gateway-process';
import { recordGeneration } from '../support/generations';
import { untilNothingOpen } from '../support/ledger';
import { ledgerLines, ledgerReport } from '../support/ledger-report';
import { runScript } from '../support/run-script';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];
const AGREEMENT = /^0 differences in \d+ counters, \d+ daily rows, \d+ records, \d+ open requests\n$/;

describe('the ledger check', () => {
  let gateway: TestGateway;
  let user: TestUser;
  const models = [
    { id: 'one', maxModelLen: 32_768 },
    { id: 'two', maxModelLen: 32_768 },
  ];

  const sql = (statement: string, values: unknown[] = []) => gateway.dataSource.query(statement, values);
  const chat = (body: object) => gateway.post('/v1/chat/completions', user.key, { model: 'one', ...body });
  const setLimit = (subject: string, subjectId: string, metric: string, period: string, model = '') =>
    sql(
      `INSERT INTO limits (subject, subject_id, metric, period, model, amount, set_by)
       VALUES ($1, $2, $3, $4, $5, 1000000000, 'admin')`,
      [subject, subjectId, metric, period, model],
    );

  beforeEach(async () => {
    gateway = await startGateway({ simulator: { models }, settings: { LIMITS_TIME_ZONE: 'Asia/Kolkata' } });
    user = await gateway.register();
    const [key] = await sql(`SELECT id FROM api_keys WHERE user_id = $1`, [user.id]);
    for (const period of ['minute', 'hour', 'week']) await setLimit('user', user.id, 'tokens', period);
    await setLimit('key', key.id, 'tokens', 'day', 'two');
    await setLimit('key', key.id, 'requests', 'hour');
    await setLimit('user', user.id, 'requests', 'total', 'one');
    await setLimit('user', user.id, 'concurrent_requests', 'total');
    await setLimit('everyone', '00000000-0000-0000-0000-000000000000', 'tokens', 'month');
    await setLimit('everyone', '00000000-0000-0000-0000-000000000000', 'requests', 'day');
  });
  afterEach(() => gateway.close());

  const traffic = async () => {
    await Promise.all([
      chat({ messages: said({ tokens: 7 }) }),
      chat({ messages: said({ tokens: 9 }), model: 'two' }),
      chat({ messages: said({ tokens: 3 }), stream: true }).then((answer) => answer.text()),
      chat({ messages: said({ tokens: 3 }), model: 'none' }),
      gateway.post('/chat/completions', user.accessToken, { model: 'two', messages: said({ tokens: 4 }) }),
    ]);
    await untilNothingOpen(gateway);
  };

  it('finds nothing after requests of all kinds, on counters of every subject, metric and period', async () => {
    await traffic();
    expect(await ledgerReport(gateway)).toMatchObject({ differences: [], records: 4, openRequests: 0 });
    const counted = await sql(`SELECT DISTINCT subject, metric FROM limit_windows WHERE used > 0`);
    expect(counted).toHaveLength(6);
  });

  it('counts what is open: reservations, concurrency and admissions of running requests', async () => {
    const stream = await chat({ messages: said({ tokens: 30, tbtMs: 30 }), stream: true, max_tokens: 50 });
    expect(stream.status).toBe(200);
    // It runs for as long as it is looked at.
    gateway.simulator.settings.hung = true;
    expect(await ledgerReport(gateway)).toMatchObject({ differences: [], openRequests: 1 });
    // Three limits of the user, one of everyone, one on what runs at once, and the monthly cap.
    const held = await sql(`SELECT count(*)::int AS n FROM limit_windows WHERE reserved > 0`);
    expect(held[0].n).toBe(6);
    gateway.simulator.settings.hung = false;
    await stream.text();
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('is exact while requests come and go', async () => {
    const ending = new AbortController();
    const clients = Array.from({ length: 8 }, async () => {
      for (let n = 0; !ending.signal.aborted; n += 1) {
        await chat({ messages: said({ tokens: 1 + (n % 5) }), max_tokens: 20, stream: n % 2 === 0 }).then(
          (answer) => answer.text(),
        );
      }
    });
    const seen = new Set<number>();
    for (let n = 0; n < 15; n += 1) {
      const report = await ledgerReport(gateway);
      expect(report.differences).toEqual([]);
      seen.add(report.records);
    }
    ending.abort();
    await Promise.all(clients);
    expect(seen.size).toBeGreaterThan(5);
  });

  it.each([
    [
      'a counter that forgot tokens',
      `UPDATE limit_windows SET used = used - 1 WHERE subject = 'user' AND period = 'month'`,
      /^user \S+ \(\S+\): tokens\/month, used, from \S+: the counter says \d+, the ledger says \d+$/,
    ],
    [
      'a reservation that stayed',
      `UPDATE limit_windows SET reserved = 5 WHERE subject = 'key' AND period = 'day' AND model = ''`,
      /^key \S+ of \S+: tokens\/day, reserved, from \S+: the counter says 5, the ledger says 0$/,
    ],
    [
      'a slot that was not freed',
      `UPDATE limit_windows SET reserved = 1 WHERE metric = 'concurrent_requests'`,
      /^user .*: concurrent_requests\/total, reserved, from the beginning: the counter says 1, the ledger says 0$/,
    ],
    [
      'a request that was counted twice',
      `UPDATE limit_windows SET used = used + 1 WHERE subject = 'everyone' AND metric = 'requests'`,
      /^everyone: requests\/day, used, from \S+: the counter says 5, the ledger says 4$/,
    ],
    [
      'tokens of one model on the counter of another',
      `UPDATE limit_windows SET used = used + 3 WHERE model = 'two'`,
      /^key .*: tokens\/day of two, used, from /,
    ],
    [
      'a rollup that misses a request',
      `UPDATE usage_daily SET requests = requests - 1 WHERE model = 'one'`,
      /^user .*: requests of one by key \S+ on \d{4}-\d\d-\d\d: the counter says 1, the ledger says 2$/,
    ],
  ])('names %s, and nothing else', async (_what, fault, line) => {
    await traffic();
    await sql(fault);
    const lines = await ledgerLines(gateway);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(line);
  });

  it('names every counter and rollup that a lost ledger row was part of', async () => {
    await traffic();
    await sql(`DELETE FROM usage_records WHERE model = 'two' AND key_id IS NULL`);
    // The minute may have ended meanwhile.
    const lines = (await ledgerLines(gateway)).filter((line) => !line.includes('/minute'));
    expect(lines.filter((line) => /^user .*tokens\/(hour|day|week|month|total),/.test(line))).toHaveLength(5);
    expect(lines.filter((line) => line.startsWith('everyone'))).toHaveLength(2);
    expect(
      lines.filter((line) => /^user .* by key 0{8}-.* on .* says \d+, the ledger says 0$/.test(line)),
    ).toHaveLength(3);
    expect(lines).toHaveLength(10);
  });

  it('does not compare a counter whose limit is still being set, and says so', async () => {
    await traffic();
    await sql(
      `UPDATE limit_windows SET used = 0, backfill_before = now() WHERE subject = 'everyone' AND metric = 'tokens'`,
    );
    const { differences, unfinished } = await ledgerReport(gateway);
    expect(differences).toEqual([]);
    expect(unfinished).toEqual([
      expect.stringMatching(/^everyone: tokens\/month from \S+: what was used before .* is not added yet/),
    ]);
    // A window that began since then has all of its own.
    await sql(
      `UPDATE limit_windows SET backfill_before = window_start - interval '1 second' WHERE backfill_before < now()`,
    );
    expect((await ledgerReport(gateway)).unfinished).toEqual([]);
    expect(await ledgerLines(gateway)).toEqual([expect.stringContaining('everyone: tokens/month, used,')]);
  });

  it('names a request that is open and settled at once', async () => {
    const at = new Date();
    const id = await recordGeneration(gateway, { userId: user.id, at, prompt: 0, completion: 0 });
    await sql(
      `INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, endpoint, model, stream, prompt_bound,
         reserved, held) VALUES ($1, $1, $2, $3, 'chat_completions', 'x', true, 1, 1, '{}')`,
      [id, at, user.id],
    );
    expect(await ledgerLines(gateway)).toContain(
      `request ${id}: its state now: the counter says open, the ledger says settled`,
    );
  });

  it('compares a counter that nobody has touched since its window ended with that past window', async () => {
    await traffic();
    const months = `UPDATE limit_windows SET window_start = limit_window_start('month', now() - interval '70 days',
      'Asia/Kolkata'), used = $1 WHERE subject = 'user' AND period = 'month'`;
    await sql(months, [12]);
    const at = new Date(Date.now() - 70 * 86_400_000);
    await recordGeneration(gateway, { userId: user.id, model: 'one', at, prompt: 5, completion: 7 });
    const others = (await ledgerLines(gateway)).filter((line) => !line.includes('/total'));
    expect(others).toEqual([]);
    await sql(months, [13]);
    expect((await ledgerLines(gateway)).join('\n')).toMatch(/tokens\/month.* says 13, the ledger says 12/);
  });
});

describe('npm run ledger:check', () => {
  beforeAll(async () => {
    await ensureBuilt();
  });
  afterAll(cleanUp);

  it('ends with 0 when all agrees and with 1 when not, in the database of DATABASE_URL', async () => {
    const gateway = await startGateway();
    try {
      const user = await gateway.register();
      const settings = { DATABASE_URL: gateway.env.DATABASE_URL ?? '' };
      const good = await runScript('ledger-check.js', emptyFolder(), settings);
      expect(good).toMatchObject({ code: 0, output: expect.stringMatching(AGREEMENT), errors: '' });
      await gateway.dataSource.query(`UPDATE limit_windows SET used = 3 WHERE subject_id = $1`, [user.id]);
      const bad = await runScript('ledger-check.js', emptyFolder(), settings);
      expect(bad.code).toBe(1);
      expect(bad.output.match(/says 3, the ledger says 0/g)).toHaveLength(3);
      expect(bad.output).toMatch(/\n3 differences in /);
    } finally {
      await gateway.close();
    }
  });

  it('refuses to compare in another zone than the ledger is counted in', async () => {
    const gateway = await startGateway({ settings: { LIMITS_TIME_ZONE: 'Asia/Kolkata' } });
    try {
      const settings = { DATABASE_URL: gateway.env.DATABASE_URL ?? '' };
      expect(await runScript('ledger-check.js', emptyFolder(), settings)).toMatchObject({
        code: 2,
        output: '',
        errors: expect.stringMatching(/^LIMITS_TIME_ZONE is UTC, but .* counted in Asia\/Kolkata: [^\n]+\n$/),
      });
    } finally {
      await gateway.close();
    }
  });

  it('finds the embedded database while it runs, and says so when it does not', async () => {
    const folder = emptyFolder();
    const none = await runScript('ledger-check.js', folder);
    expect(none.code).toBe(2);
    expect(none.errors).toMatch(
      /^There is nothing to check: DATABASE_URL is not set, and no embedded [^\n]+\n$/,
    );

    const gateway = await startProcess(folder);
    await gateway.printed('"model": "llm-user-managed/');
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${printedAdmin(gateway).apiKey}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ model: 'opencode-llm', messages: said({ tokens: 5 }) }),
    });
    expect(answer.status).toBe(200);
    const found = await runScript('ledger-check.js', folder);
    expect(found).toMatchObject({ code: 0, errors: '' });
    expect(found.output).toMatch(/ 1 daily rows, 1 records, 0 open requests\n$/);

    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect((await runScript('ledger-check.js', folder)).code).toBe(2);
  });

  it.each([
    ['nobody listens', 'postgres://127.0.0.1:9/x', /no PostgreSQL listens at 127/],
    ['the setting is wrong', 'mysql://x', /DATABASE_URL must be a URL/],
  ])('ends with 2 and one sentence when %s', async (_what, url, sentence) => {
    const run = await runScript('ledger-check.js', emptyFolder(), { DATABASE_URL: url });
    expect(run.code).toBe(2);
    expect(run.errors).toMatch(sentence);
    expect(run.errors).toMatch(/^[^\n]+\n$/);
  });
});
