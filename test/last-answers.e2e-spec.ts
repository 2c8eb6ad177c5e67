import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startGateway } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { openRaw, RawConnection } from './support/raw-connection';

/** Longer than connections may last on which nothing runs. */
const LONGER_MS = 3_500;

/** A gateway with a report that waits in PostgreSQL, which nobody meters. */
async function reporting(SHUTDOWN_GRACE_MS: string) {
  const gateway = await startGateway({ settings: { SHUTDOWN_GRACE_MS } });
  const { accessToken } = await gateway.register();
  const blocker = new Client({ connectionString: gateway.env.DATABASE_URL });
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE usage_records IN ACCESS EXCLUSIVE MODE');
  const report = openRaw(gateway.url);
  ask(report, '/users/usage/records', accessToken);
  await untilLocksAreAwaited(gateway, 1);
  return { gateway, report, release: () => blocker.end() };
}

function ask(connection: RawConnection, path: string, accessToken = ''): void {
  connection.write(`GET ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${accessToken}\r\n\r\n`);
}

describe('a report that runs when the gateway is to end', () => {
  it('is answered within the grace period, and only then the gateway ends, whoever else is connected', async () => {
    // Whatever waited for the end of it would wait for longer than this test may.
    const { gateway, report, release } = await reporting('600000');
    const [unused, used] = [openRaw(gateway.url), openRaw(gateway.url)];
    ask(used, '/health/live');
    await used.responses(1);
    const closing = gateway.close();
    await sleep(LONGER_MS);
    await release();
    const [answer] = await report.responses(1);
    expect([answer?.status, JSON.parse(answer?.body ?? '')]).toEqual([
      200,
      expect.objectContaining({ data: [] }),
    ]);
    await closing;
    await Promise.all([report.closed, unused.closed, used.closed]);
  });

  it('is cut at the end of the grace period', async () => {
    const { gateway, report, release } = await reporting('500');
    const closing = gateway.close();
    expect(await report.closed).toBe('');
    await release();
    await closing;
  });
});
