import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { ledgerLines } from './support/ledger-report';

const EVERYONE = '00000000-0000-0000-0000-000000000000';

interface Told {
  readonly defaults: readonly { amount: number | null; users: number }[];
}

describe('PUT /admin/limits/default', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let request: ReturnType<typeof asAdmin>;

  beforeEach(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    user = await gateway.register();
  });
  afterEach(() => gateway.close());

  const change = (json: object) => request('/limits/default', { method: 'PUT', json });
  /** Users after all others, in the order of their ids. */
  const crowd = (size: number) =>
    gateway.dataSource.query(
      `INSERT INTO users (id, username, username_key)
       SELECT ('f0000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'crowd' || i, 'crowd' || i
       FROM generate_series(1, ${size}) i`,
    );
  const having = async (amount: number): Promise<number> => {
    const [row] = await gateway.dataSource.query<[{ count: number }]>(
      `SELECT count(*)::integer FROM limits WHERE set_by = 'default' AND metric = 'requests' AND period = 'hour'
         AND amount = $1`,
      [amount],
    );
    return row.count;
  };
  const audited = async () => {
    const rows = (await auditOf(gateway, EVERYONE)).filter(({ action }) => action === 'limit.change_default');
    return rows.map(({ before, after }) => ({
      before: (before as unknown as Told).defaults,
      after: (after as unknown as Told).defaults,
    }));
  };
  const chat = (key: string) =>
    gateway.post('/v1/chat/completions', key, {
      model: 'opencode-llm',
      messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
    });

  it('has in the audit log exactly what it changed when it fails half-way, and ends the work when asked again', async () => {
    await crowd(1_000);
    await gateway.dataSource.query(`
      CREATE FUNCTION fail_the_second() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT 1 FROM audit_log WHERE action = 'limit.change_default') THEN RAISE 'full'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fail_the_second BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION fail_the_second()`);
    const hourly = { metric: 'requests', window: 'hour', amount: 40 };
    expect((await change(hourly)).status).toBe(500);
    expect(await having(40)).toBe(500);
    expect(await audited()).toEqual([
      { before: [{ amount: null, users: 500 }], after: [{ amount: 40, users: 500 }] },
    ]);

    await gateway.dataSource.query('DROP TRIGGER fail_the_second ON audit_log');
    expect((await change({ ...hourly, amount: 50 })).body).toEqual({ users: 1_002 });
    expect([await having(40), await having(50)]).toEqual([0, 1_002]);
    expect((await audited()).slice(1)).toEqual([
      { before: [{ amount: 40, users: 500 }], after: [{ amount: 50, users: 500 }] },
      { before: [{ amount: null, users: 500 }], after: [{ amount: 50, users: 500 }] },
      { before: [{ amount: null, users: 2 }], after: [{ amount: 50, users: 2 }] },
    ]);

    expect((await change({ ...hourly, amount: null })).body).toEqual({ users: 1_002 });
    expect((await audited()).at(-1)).toEqual({
      before: [{ amount: 50, users: 2 }],
      after: [{ amount: null, users: 2 }],
    });
    const rows = (await audited()).length;
    expect((await change({ ...hourly, amount: null })).body).toEqual({ users: 0 });
    expect(await audited()).toHaveLength(rows);
  });

  it('starts from what each user has used in the window', async () => {
    const other = await gateway.register();
    for (const key of [user.key, other.key, other.key]) expect((await chat(key)).status).toBe(200);
    await untilNothingOpen(gateway);
    await change({ metric: 'requests', window: 'week', amount: 2 });
    await change({ metric: 'tokens', window: 'week', amount: 1_000_000 });
    expect((await chat(other.key)).status).toBe(402);
    expect((await chat(user.key)).status).toBe(200);
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('lets requests go on as usual while thousands of users get one', async () => {
    await crowd(5_000);
    const begun = performance.now();
    const work = { going: true };
    const changed = change({ metric: 'requests', window: 'hour', amount: 100_000 }).finally(() => {
      work.going = false;
    });
    const answers: { status: number; ms: number }[] = [];
    while (work.going) {
      const sent = performance.now();
      const answer = await chat(user.key);
      await answer.text();
      answers.push({ status: answer.status, ms: performance.now() - sent });
    }
    expect((await changed).body).toEqual({ users: 5_002 });
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(answers.length).toBeGreaterThan(5);
    expect(answers.filter(({ status, ms }) => status !== 200 || ms > 1_000)).toEqual([]);
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
