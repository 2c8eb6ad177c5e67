import { setTimeout as sleep } from 'node:timers/promises';
import { RememberExemptions1764000001790 } from '../migrations/1764000001790-remember-exemptions';
import { Retention } from '../src/usage/retention/retention.service';
import { asAdmin, auditOf } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { ledgerLines } from './support/ledger-report';
import { LostTime } from './support/lost-time';
import { send } from './support/send';
import { slowness } from './support/slowness';

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

  const MONTHLY = { metric: 'tokens', window: 'month' };
  const setCap = (id: string, json: object) =>
    request(`/users/${id}/token-limit`, { method: 'PUT', json: { token_limit: null, ...json } });
  const make = async (json: object) =>
    (await request('/users', { json: { username: 'made', ...json } })).body as {
      id: string;
      api_key: string;
    };
  /** Mostly there is one. */
  const limitsOf = async (id: string) =>
    (await request(`/limits?subject_id=${id}&metric=tokens`)).body.data as [{ id: string; amount: number }];

  it('leaves those alone whom an administrator gave no limit, until one is set there again', async () => {
    const made = await make({ token_limit: null });
    const capped = await gateway.register();
    await setCap(user.id, {});
    await setCap(capped.id, {});
    await setCap(capped.id, { token_limit: 5 });
    expect((await change({ ...MONTHLY, amount: 1 })).body).toEqual({ users: 1 });
    expect([(await chat(user.key)).status, (await chat(made.api_key)).status]).toEqual([200, 200]);
    expect([(await chat(capped.key)).status, (await limitsOf(capped.id))[0].amount]).toEqual([402, 5]);
    // Another counter than the one they have none of.
    expect((await change({ metric: 'tokens', window: 'day', amount: 1_000_000 })).body).toEqual({ users: 4 });

    await setCap(user.id, { token_limit: 7 });
    const json = { ...MONTHLY, subject: 'user', subject_id: made.id, amount: 7 };
    await request('/limits', { method: 'PUT', json: { ...json, model: 'opencode-llm' } });
    expect((await change({ ...MONTHLY, amount: 2 })).body).toEqual({ users: 1 });
    await request('/limits', { method: 'PUT', json });
    for (const { id } of [...(await limitsOf(user.id)), ...(await limitsOf(made.id))]) {
      await request(`/limits/${id}`, { method: 'DELETE' });
    }
    expect([(await chat(user.key)).status, (await chat(made.api_key)).status]).toEqual([200, 200]);
    expect((await change({ ...MONTHLY, amount: 3 })).body).toEqual({ users: 3 });
    expect([(await chat(user.key)).status, (await chat(made.api_key)).status]).toEqual([402, 402]);
  });

  it('leaves an account alone whose invitation gave no limit there, on whichever counter', async () => {
    const limits = [
      { metric: 'concurrent_requests', amount: null },
      { metric: 'requests', window: 'hour', model: 'opencode-llm', amount: null },
    ];
    const { body: invited } = await request('/invitations', { json: { token_limit: null, limits } });
    const json = { username: 'guest', password: 'correct horse battery staple', invitation: invited.token };
    const { body } = await send(`${gateway.url}/auth/register`, { json });
    await change({ ...MONTHLY, amount: 1 });
    await change({ metric: 'concurrent_requests', amount: 0 });
    expect((await chat(String(body.api_key))).status).toBe(200);
    expect((await change({ metric: 'requests', window: 'hour', amount: 0 })).body).toEqual({ users: 3 });
    expect((await chat(String(body.api_key))).status).toBe(402);
  });

  it('leaves those alone for whom that was decided before it was remembered', async () => {
    const made = await make({ token_limit: null });
    const [again, removed] = [await gateway.register(), await gateway.register()];
    await setCap(user.id, {});
    await setCap(again.id, {});
    await setCap(again.id, { token_limit: 5 });
    await setCap(removed.id, {});
    await setCap(removed.id, { token_limit: 5 });
    const [limit] = await limitsOf(removed.id);
    await request(`/limits/${limit.id}`, { method: 'DELETE' });
    const queryRunner = gateway.dataSource.createQueryRunner();
    const migration = new RememberExemptions1764000001790();
    await migration.down(queryRunner);
    await migration.up(queryRunner);
    await queryRunner.release();
    const rows = await gateway.dataSource.query('SELECT * FROM default_exemptions ORDER BY user_id');
    const remembered = { metric: 'tokens', period: 'month' };
    expect(rows).toEqual([user.id, made.id].sort().map((user_id) => ({ user_id, ...remembered })));
  });

  it('leaves what holds for a while in its place until the end, and nothing after it', async () => {
    const other = await gateway.register();
    const brake = async ({ id: userId }: { id: string }) => {
      const [limit] = await limitsOf(userId);
      const json = { amount: 0, until: new Date(Date.now() + 3_600_000).toISOString() };
      expect((await request(`/limits/${limit.id}/temporary`, { method: 'PUT', json })).status).toBe(200);
      return limit.id;
    };
    const [id, otherId] = [await brake(user), await brake(other)];
    expect((await change({ ...MONTHLY, amount: null })).body).toEqual({ users: 3 });
    expect((await audited()).at(-1)?.after).toEqual([{ amount: null, users: 3 }]);
    expect([(await chat(user.key)).status, (await chat(other.key)).status]).toEqual([402, 402]);
    expect((await change({ ...MONTHLY, amount: null })).body).toEqual({ users: 0 });

    await request(`/limits/${otherId}/temporary`, { method: 'DELETE' });
    const [ended] = await gateway.dataSource.query<[{ after: unknown }]>(
      `SELECT after FROM audit_log WHERE action = 'limit.end_raise' ORDER BY id DESC LIMIT 1`,
    );
    expect(ended.after).toEqual({ limits: [] });
    expect([(await chat(other.key)).status, await limitsOf(other.id)]).toEqual([200, []]);

    // As if its hour were over.
    await gateway.dataSource.query('UPDATE limits SET temporary_until = now() WHERE id = $1', [id]);
    expect((await chat(user.key)).status).toBe(200);
    // The start of the gateway may be at it still.
    while (!(await gateway.app.get(Retention, { strict: false }).run())) await sleep(10);
    expect(await limitsOf(user.id)).toEqual([]);
  });

  it('comes back behind what holds for a while', async () => {
    const [limit] = await limitsOf(user.id);
    const json = { amount: 1_000_000, until: new Date(Date.now() + 3_600_000).toISOString() };
    await request(`/limits/${limit.id}/temporary`, { method: 'PUT', json });
    await change({ ...MONTHLY, amount: null });
    await change({ ...MONTHLY, amount: 1 });
    expect((await audited()).at(-1)?.before).toEqual([{ amount: null, users: 2 }]);
    expect((await chat(user.key)).status).toBe(200);
    await request(`/limits/${limit.id}/temporary`, { method: 'DELETE' });
    expect([(await chat(user.key)).status, (await limitsOf(user.id))[0].amount]).toEqual([402, 1]);
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
    const lost = new LostTime();
    const begun = Date.now();
    const work = { going: true };
    const changed = change({ metric: 'requests', window: 'hour', amount: 100_000 }).finally(() => {
      work.going = false;
    });
    const answers: { status: number; sent: number; done: number }[] = [];
    while (work.going) {
      const sent = Date.now();
      const answer = await chat(user.key);
      await answer.text();
      answers.push({ status: answer.status, sent, done: Date.now() });
    }
    const done = Date.now();
    const whole = done - begun - (await lost.between(begun, done));
    expect((await changed).body).toEqual({ users: 5_002 });
    expect(whole).toBeLessThan(10_000 * slowness());
    expect(answers.length).toBeGreaterThan(5);
    // Who is held up by the change waits for about as long as it takes.
    const most = Math.max(1_000 * slowness(), whole / 4);
    const took = (answer: { sent: number; done: number }) =>
      answer.done - answer.sent - lost.soFar(answer.sent, answer.done);
    expect(answers.filter((answer) => answer.status !== 200 || took(answer) > most)).toEqual([]);
    await lost.stop();
    await untilNothingOpen(gateway);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
