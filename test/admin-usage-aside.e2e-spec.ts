import { setTimeout as sleep } from 'node:timers/promises';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';

const REPORTS = 8;

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

  it('do not hold up the end of the gateway', async () => {
    const replica = await startGateway({ replicaOf: gateway });
    const holder = gateway.dataSource.createQueryRunner();
    await holder.startTransaction();
    try {
      await holder.query('LOCK TABLE usage_daily IN ACCESS EXCLUSIVE MODE');
      const report = asAdmin(replica, admin)('/usage').catch(() => 'cut');
      await sleep(300);
      const closed = replica.close().then(() => 'closed');
      expect(await Promise.race([closed, sleep(8_000, 'open', { ref: false })])).toBe('closed');
      await report;
    } finally {
      await holder.rollbackTransaction();
      await holder.release();
    }
  });
});
