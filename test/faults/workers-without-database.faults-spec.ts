import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseGate, openDatabaseGate } from '../support/database-gate';
import { cleanUp, emptyFolder, ensureBuilt, GatewayProcess, startProcess } from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { workersOf } from '../support/worker-processes';

/** A worker that dies while PostgreSQL is away, which the next one needs at its start. */
describe('a worker that cannot reach the database at its start', () => {
  let database: TestDatabase;
  let gate: DatabaseGate;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    await ensureBuilt();
    database = await createDatabase();
    gate = await openDatabaseGate(database.url);
    gateway = await startProcess(emptyFolder(), { WORKERS: '2', DATABASE_URL: gate.url });
    await gateway.ready();
  });
  afterAll(async () => {
    await cleanUp();
    await gate.close();
    await database.drop();
  });

  /** Since a worker has ended, what is no whole line of the log, and none of the primary. */
  const strangeLines = () =>
    gateway
      .output()
      .slice(gateway.output().indexOf('[simulated answers] worker 1 '))
      .split('\n')
      .filter((line) => line !== '' && !/^({"level":.*}|(\[simulated answers\] )?worker .*)$/.test(line));

  it('says why, in lines of the log, and serves once the database is back', async () => {
    gate.shut();
    process.kill(workersOf(gateway)[0] ?? 0, 'SIGKILL');
    await gateway.printed('worker 1 did not start');
    expect(gateway.output()).toMatch(/worker 1 did not start: DATABASE_URL: [^\n]+[^.\n]; trying again\n/);
    gate.open();
    await gateway.printed('worker 1 serves');
    expect(strangeLines()).toEqual([]);
    expect(gateway.errors()).toBe('');
  });

  it('ends the primary when nothing serves any more, with one sentence that names the cause', async () => {
    gate.shut();
    const [replacement] = /(?<=worker 1 serves \(process )\d+/.exec(gateway.output()) ?? [];
    for (const pid of [Number(replacement), workersOf(gateway)[1] ?? 0]) process.kill(pid, 'SIGKILL');
    expect(await Promise.race([gateway.ended, sleep(300_000, 'still there', { ref: false })])).toBe(1);
    expect(gateway.errors()).toMatch(
      /^Workers keep dying at their start, \d+ in a row; the last one: DATABASE_URL: [^\n]+\.\n$/,
    );
  });
});
