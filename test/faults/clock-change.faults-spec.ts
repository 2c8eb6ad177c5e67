import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { untilNothingOpen } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { differenceLine } from '../../src/usage/ledger-check/ledger-difference';
import { ledgerDifferences } from '../../src/usage/ledger-check/ledger-differences';
import { Client } from 'pg';

const RUN_MS = 8_000;
const CHANGE_AFTER_MS = 4_000;
/** A machine that stands still for long makes PostgreSQL's word come too late for some, who are told. */
const LONG_MS = 1_000;

/** Midnight does not exist in a night in which the clocks go from 24:00 to 1:00: the day begins an hour late. */
describe('clocks that change at midnight, under load', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let user: TestUser;
  const lost = new LostTime();

  beforeAll(async () => {
    const settings = { DEFAULT_TOKEN_LIMIT: '-1' };
    gateway = await startGateway({ settings });
    replica = await startGateway({ replicaOf: gateway, settings });
    user = await gateway.register();
  });
  afterAll(async () => {
    await lost.stop();
    await replica.close();
    await gateway.close();
  });

  it('begin one new window, in which nothing is lost or counted twice', async () => {
    const change = new Date(Date.now() + CHANGE_AFTER_MS);
    const zone = zoneWithoutMidnightAt(change);
    // A zone that exists nowhere; both gateways read the setting at each statement.
    for (const { env } of [gateway, replica]) Object.assign(env, { LIMITS_TIME_ZONE: zone });
    for (const period of ['hour', 'day', 'week', 'month']) {
      await gateway.dataSource.query(
        `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
         VALUES ('user', $1, 'tokens', $2, 100000000, 'admin')
         ON CONFLICT ON CONSTRAINT limits_one_each DO NOTHING`,
        [user.id, period],
      );
    }
    const statuses: number[] = [];
    const begunAt = Date.now();
    const endsAt = begunAt + RUN_MS;
    await Promise.all(
      Array.from({ length: 16 }, async (_, index) => {
        while (Date.now() < endsAt) {
          const answer = await (index % 2 ? gateway : replica).post('/v1/chat/completions', user.key, {
            model: 'opencode-llm',
            stream: index % 3 === 0,
            max_tokens: 20,
            messages: [{ role: 'user', content: 'SIM:{"tokens":8,"tbtMs":10}' }],
          });
          await answer.text();
          statuses.push(answer.status);
        }
      }),
    );
    await untilNothingOpen(gateway);
    const allowed = (await lost.between(begunAt, Date.now())) < LONG_MS ? [200] : [200, 503];
    expect(statuses.filter((status) => !allowed.includes(status))).toEqual([]);

    const [day] = await gateway.dataSource.query<{ window_start: Date; used: string; reserved: string }[]>(
      `SELECT window_start, used, reserved FROM limit_windows WHERE subject_id = $1 AND metric = 'tokens' AND period = 'day'`,
      [user.id],
    );
    const [ledger] = await gateway.dataSource.query<{ before: string; after: string }[]>(
      `SELECT coalesce(sum(prompt_tokens + completion_tokens) FILTER (WHERE admitted_at < $1), 0) AS before,
         coalesce(sum(prompt_tokens + completion_tokens) FILTER (WHERE admitted_at >= $1), 0) AS after
       FROM usage_records`,
      [change],
    );
    expect(day?.window_start).toEqual(change);
    expect(Number(ledger?.before)).toBeGreaterThan(0);
    expect(Number(ledger?.after)).toBeGreaterThan(0);
    expect(day).toMatchObject({ used: ledger?.after, reserved: '0' });
    expect(await differences(gateway, zone)).toEqual([]);
  });
});

/** A POSIX time zone in which it is 24:00 at `change` (whole seconds), and in the same moment 1:00. */
function zoneWithoutMidnightAt(change: Date): string {
  change.setMilliseconds(0);
  const secondsOfDay = (change.getTime() / 1_000) % 86_400;
  // East of Greenwich, where the day is further on by what it lacks here.
  const ahead = 86_400 - secondsOfDay;
  const local = new Date(change.getTime() + ahead * 1_000 - 1);
  const dayOfYear =
    (Date.UTC(2025, local.getUTCMonth(), Math.min(local.getUTCDate(), 28)) - Date.UTC(2025, 0, 0)) /
    86_400_000;
  const julian = dayOfYear + local.getUTCDate() - Math.min(local.getUTCDate(), 28);
  const clock = (seconds: number) =>
    [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
      .map((part) => String(part).padStart(2, '0'))
      .join(':');
  return `<std>-${clock(ahead)}<dst>-${clock(ahead + 3_600)},J${julian}/24:00:00,J${((julian + 180) % 365) + 1}/00:00:00`;
}

async function differences(gateway: TestGateway, zone: string): Promise<string[]> {
  const client = new Client({ connectionString: gateway.env.DATABASE_URL });
  await client.connect();
  try {
    return (await ledgerDifferences(client, zone)).differences.map(differenceLine);
  } finally {
    await client.end();
  }
}
