import { setTimeout as sleep } from 'node:timers/promises';
import { ReportStatements } from '../src/database/report-statements';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';

const REPORTS = 8;
const ROWS = 20_000;
/** Some times what one reading of the socket holds; 32 of them can come in one turn. */
const MANY_ROWS = 1_500;

describe('reports that take long', () => {
  let gateway: TestGateway;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DATABASE_POOL_SIZE: '3' } });
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());

  it('leave the connections to PostgreSQL to everybody else, and are answered in the end', async () => {
    const request = asAdmin(gateway, admin);
    const holder = gateway.dataSource.createQueryRunner();
    await holder.startTransaction();
    let answered = 0;
    try {
      await holder.query('LOCK TABLE usage_daily IN ACCESS EXCLUSIVE MODE');
      const reports = Array.from({ length: REPORTS }, async () => {
        const { status } = await request('/usage?group_by=user');
        answered += 1;
        return status;
      });
      await sleep(300);
      for (let index = 0; index < REPORTS; index += 1) expect((await request('/users')).status).toBe(200);
      expect(answered).toBe(0);
      await holder.commitTransaction();
      expect(await Promise.all(reports)).toEqual(reports.map(() => 200));
    } finally {
      if (holder.isTransactionActive) await holder.rollbackTransaction();
      await holder.release();
    }
  });

  it('take few rows in one turn of the event loop, and so let others in between', async () => {
    let [taken, inTurn, most] = [0, 0, 0];
    const turn = (): void => {
      inTurn = 0;
      if (taken < ROWS) setImmediate(turn);
    };
    turn();
    await gateway.app
      .get(ReportStatements, { strict: false })
      .each(`SELECT repeat('x', 200) AS text FROM generate_series(1, ${ROWS})`, [], () => {
        // Many more are there meanwhile.
        if (taken % 1_000 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
        taken += 1;
        inTurn += 1;
        most = Math.max(most, inTurn);
      });
    expect(taken).toBe(ROWS);
    expect(most).toBeLessThan(MANY_ROWS);
  });

  it('do not hold up the end of the gateway beyond its grace', async () => {
    const settings = { SHUTDOWN_GRACE_MS: '1000' };
    const replica = await startGateway({ replicaOf: gateway, settings });
    const holder = gateway.dataSource.createQueryRunner();
    await holder.startTransaction();
    try {
      await holder.query('LOCK TABLE usage_daily IN ACCESS EXCLUSIVE MODE');
      const report = asAdmin(replica, admin)('/usage').catch(() => 'cut');
      await sleep(300);
      const closed = replica.close().then(() => 'closed');
      // After fifteen seconds PostgreSQL takes the lock away.
      expect(await Promise.race([closed, sleep(13_000, 'open', { ref: false })])).toBe('closed');
      await report;
    } finally {
      await holder.rollbackTransaction();
      await holder.release();
    }
  });
});
