import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidV7 } from 'uuid';
import { Client } from 'pg';
import { SettlementService } from '../src/usage/admission/settlement.service';
import { Retention } from '../src/usage/retention/retention.service';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { settledRows, untilNothingOpen } from './support/ledger';
import { ledgerLines, ledgerReport } from './support/ledger-report';
import { middleOf, partitionOf, partitionsOf } from './support/ledger-months';

const KEPT_MONTHS = 3;

/** In a month, and not in the future: the middle of this one may be. */
const pastIn = (offset: number): Date => (offset === 0 ? new Date() : middleOf(offset));

const OPERATIONS = readFileSync(join(__dirname, '..', 'docs', 'operations.md'), 'utf8');

describe('retention', () => {
  let gateway: TestGateway;
  let user: TestUser;

  const sql = <Row>(statement: string, values: unknown[] = []): Promise<Row[]> =>
    gateway.dataSource.query<Row[]>(statement, values);
  const retention = () => gateway.app.get(Retention, { strict: false });
  /** Waits for its turn: the start of the gateway may be at it still. */
  const retain = async (at?: Date) => {
    while (!(await retention().run(at))) await sleep(10);
  };
  const partitions = () => partitionsOf(gateway);
  const record = async (at: Date, completion = 10) => {
    // Last month may be this one still, where the limits live.
    const counts = `(period = 'total' OR window_start BETWEEN '1970-01-01Z' AND $3::timestamptz)`;
    await sql(
      `UPDATE limit_windows SET used = used + $2 WHERE subject_id = $1 AND metric = 'tokens' AND ${counts}`,
      [user.id, 5 + completion, at],
    );
    return recordGeneration(gateway, { userId: user.id, at, prompt: 5, completion });
  };
  const home = async (requestId: string) =>
    (
      await sql<{ home: string }>(
        'SELECT tableoid::regclass::text AS home FROM usage_records WHERE request_id = $1',
        [requestId],
      )
    )[0]?.home;

  beforeEach(async () => {
    gateway = await startGateway({
      settings: { USAGE_RETENTION_MONTHS: String(KEPT_MONTHS), LIMITS_TIME_ZONE: 'America/New_York' },
    });
    user = await gateway.register();
  });
  afterEach(() => gateway.close());

  it('has this month and two more ahead, and makes more as time goes on', async () => {
    const default_ = 'usage_records_default';
    expect(await partitions()).toEqual([partitionOf(0), partitionOf(1), partitionOf(2), default_]);
    await retain(middleOf(2));
    expect(await partitions()).toEqual([0, 1, 2, 3, 4].map(partitionOf).concat(default_));
    // What the parent has, each one has: the key that makes a request id unique, and the index of the reports.
    const indexes = await sql(
      `SELECT 1 FROM pg_index WHERE indrelid = $1::regclass AND indisvalid
         AND EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = indexrelid)`,
      [partitionOf(4)],
    );
    expect(indexes).toHaveLength(2);
    const id = await record(middleOf(4));
    expect(await home(id)).toBe(partitionOf(4));
    await expect(
      sql('INSERT INTO usage_records SELECT * FROM usage_records WHERE request_id = $1', [id]),
    ).rejects.toThrow('duplicate key');
  });

  it('moves records without a partition of their own out of the default one', async () => {
    const ids = await Promise.all([record(middleOf(-2)), record(middleOf(-2)), record(middleOf(5))]);
    expect(await Promise.all(ids.map(home))).toEqual(
      Array.from({ length: 3 }, () => 'usage_records_default'),
    );
    await retain();
    expect(await Promise.all(ids.map(home))).toEqual([-2, -2, 5].map(partitionOf));
    expect(await sql('SELECT 1 FROM usage_records_default')).toEqual([]);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('drops whole months beyond the kept ones; rollups, reports and the ledger check bear it', async () => {
    const offsets = [-KEPT_MONTHS - 2, -KEPT_MONTHS - 1, -KEPT_MONTHS, -1, 0];
    for (const offset of offsets) await record(pastIn(offset), 100 + offset);
    await retain();
    expect((await partitions()).slice(0, -1)).toEqual([-KEPT_MONTHS, -1, 0, 1, 2].map(partitionOf));
    expect(await settledRows(gateway, user.id)).toHaveLength(3);
    const [daily] = await sql<{ rows: number }>('SELECT count(*)::int AS rows FROM usage_daily');
    expect(daily?.rows).toBe(offsets.length);
    expect(await ledgerReport(gateway)).toMatchObject({ differences: [], records: 3 });

    const from = middleOf(-KEPT_MONTHS - 3)
      .toISOString()
      .slice(0, 10);
    const report = await gateway.get(`/users/usage?from=${from}`, user.accessToken);
    expect(await report.json()).toMatchObject({ totals: { requests: offsets.length } });

    // What is kept is still checked.
    await sql(`UPDATE usage_daily SET requests = requests + 1 WHERE day = $1`, [
      middleOf(-KEPT_MONTHS).toISOString().slice(0, 10),
    ]);
    expect(await ledgerLines(gateway)).toEqual([expect.stringContaining('requests of')]);
  });

  it('is no loss to limits that come after it: they begin with the rollups of what is dropped', async () => {
    const admin = asAdmin(gateway, await gateway.registerAdmin());
    for (const offset of [-KEPT_MONTHS - 2, -KEPT_MONTHS - 1, -KEPT_MONTHS, 0]) await record(pastIn(offset));
    const kept = middleOf(-KEPT_MONTHS);
    kept.setUTCDate(1);
    // Around the midnight before which all is dropped, that of UTC.
    for (const hour of [-1, 1, 3, 6]) await record(new Date(kept.setUTCHours(hour)));
    await retain();
    const total = { window: 'total', amount: 1_000_000 };
    const of = (limit: object) => admin('/limits', { method: 'PUT', json: { ...total, ...limit } });
    const mine = { subject: 'user', subject_id: user.id };
    for (const limit of [
      { subject: 'everyone', metric: 'tokens' },
      { subject: 'everyone', metric: 'tokens', model: 'sim' },
      { subject: 'everyone', metric: 'requests' },
      { ...mine, metric: 'requests', model: 'sim' },
      { ...mine, metric: 'tokens', model: 'another' },
    ]) {
      expect((await of(limit)).status).toBe(200);
    }
    const defaults = { method: 'PUT', json: { ...total, metric: 'requests' } };
    expect((await admin('/limits/default', defaults)).status).toBe(200);
    expect(await ledgerLines(gateway)).toEqual([]);
    const [all] = await sql<{ used: number }>(
      `SELECT used::int FROM limit_windows WHERE subject = 'everyone' AND metric = 'requests'`,
    );
    expect(all?.used).toBe(8);
  });

  it('drops nothing when everything is to be kept', async () => {
    gateway.env.USAGE_RETENTION_MONTHS = 0;
    const id = await record(middleOf(-20));
    await retain(middleOf(20));
    expect(await home(id)).toBe(partitionOf(-20));
  });

  it('keeps a month while a request of that age is open', async () => {
    const stream = await gateway.post('/v1/chat/completions', user.key, {
      model: 'opencode-llm',
      stream: true,
      messages: [{ role: 'user', content: 'SIM:{"tokens":5000,"tbtMs":50}' }],
    });
    await record(middleOf(-1));
    await retain(middleOf(KEPT_MONTHS + 1));
    // The open request is as old as this month.
    expect(await partitions()).toContain(partitionOf(0));
    expect(await partitions()).not.toContain(partitionOf(-1));
    await stream.body?.cancel();
    await untilNothingOpen(gateway);
    await retain(middleOf(KEPT_MONTHS + 1));
    expect(await partitions()).not.toContain(partitionOf(0));
    expect(await settledRows(gateway, user.id)).toEqual([]);
    expect(await ledgerLines(gateway)).toEqual([]);
  });

  it('does not enter a settlement twice whose month is gone', async () => {
    await record(middleOf(-KEPT_MONTHS - 1));
    await retain();
    await gateway.app.get(SettlementService, { strict: false }).settle({
      requestId: uuidV7({ msecs: middleOf(-KEPT_MONTHS - 1).getTime() }),
      userId: user.id,
      apiKeyId: null,
      endpoint: 'chat_completions',
      model: 'sim',
      stream: false,
      outcome: 'completed',
      source: 'exact',
      status: 200,
      usage: { prompt: 1, cached: 0, completion: 1, reasoning: 0 },
      timeToFirstTokenMs: null,
      durationMs: 1,
    });
    expect(await settledRows(gateway, user.id)).toEqual([]);
    const [daily] = await sql<{ requests: number }>('SELECT sum(requests)::int AS requests FROM usage_daily');
    expect(daily?.requests).toBe(1);
  });

  it('is done by one process at a time', async () => {
    const runs = await Promise.all([retention().run(), retention().run(), retention().run()]);
    expect(runs.filter(Boolean).length).toBeGreaterThan(0);
    const other = new Client({ connectionString: gateway.env.DATABASE_URL });
    await other.connect();
    await other.query(`SELECT pg_advisory_lock('7311823310495028003')`);
    expect(await retention().run()).toBe(false);
    await other.end();
    await retain();
  });

  it('clears away dead processes, ended sessions and old throttles, and nothing that is in use', async () => {
    const process = randomUUID();
    await sql(
      `INSERT INTO processes (id, name, lease_until) VALUES ($1, 'dead', now() - interval '8 days')`,
      [process],
    );
    await sql(`INSERT INTO login_throttles (bucket, failures, window_start)
      VALUES ('\\x01', 3, now() - interval '25 hours'), ('\\x02', 5, now())`);
    await sql(
      `INSERT INTO sessions (id, user_id, token_hash, expires_at, revoked_at)
      SELECT gen_random_uuid(), $1, '\\x00', now() + e, now() + r FROM (VALUES
        (interval '-31 days', NULL::interval), (interval '1 day', interval '-31 days'), (interval '-1 day', NULL)
      ) AS s (e, r)`,
      [user.id],
    );
    const [before] = await sql<{ n: number }>('SELECT count(*)::int AS n FROM sessions');
    await retain();
    const [after] = await sql<{ n: number }>('SELECT count(*)::int AS n FROM sessions');
    expect(after?.n).toBe((before?.n ?? 0) - 2);
    expect(await sql('SELECT 1 FROM processes WHERE id = $1', [process])).toEqual([]);
    expect(await sql('SELECT 1 FROM processes')).toHaveLength(1);
    const throttles = `SELECT failures FROM login_throttles WHERE bucket IN ('\\x01', '\\x02')`;
    expect(await sql(throttles)).toEqual([{ failures: 5 }]);
    expect((await gateway.get('/users/me', user.accessToken)).status).toBe(200);
  });

  it('is done by a gateway whose role owns nothing, with what operations.md grants', async () => {
    const role = `gateway_${randomUUID().replaceAll('-', '')}`;
    await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const mayDrop = `SELECT has_function_privilege('${role}', 'drop_usage_partition(timestamp)', 'EXECUTE') AS may`;
    expect(await sql(mayDrop)).toEqual([{ may: false }]);
    const [, grants = ''] = /```sql\n(GRANT [^`]*)```/.exec(OPERATIONS) ?? [];
    await sql(grants.replaceAll(/\bgateway\b/g, role));
    const url = new URL(gateway.env.DATABASE_URL ?? '');
    [url.username, url.password] = [role, 'x'];
    const settings = { DATABASE_URL: url.href, USAGE_RETENTION_MONTHS: String(KEPT_MONTHS) };
    const lesser = await startGateway({
      replicaOf: gateway,
      settings: { ...settings, LIMITS_TIME_ZONE: 'America/New_York' },
    });
    try {
      const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'SIM:{"tokens":3}' }] };
      expect((await lesser.post('/v1/chat/completions', user.key, body)).status).toBe(200);
      await untilNothingOpen(gateway);
      while (!(await lesser.app.get(Retention, { strict: false }).run(middleOf(5)))) await sleep(10);
      expect(await partitions()).toEqual([2, 5, 6, 7].map(partitionOf).concat('usage_records_default'));
      expect(await sql('SELECT requests::int FROM usage_totals')).toEqual([{ requests: 1 }]);
      await expect(lesser.dataSource.query('DELETE FROM audit_log')).rejects.toThrow('permission denied');
    } finally {
      await lesser.close();
      await sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});
