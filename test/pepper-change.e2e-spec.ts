import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { pepperChange } from '../src/startup/pepper-change';
import { startGateway, TestGateway } from './support/gateway';

describe('another API_KEY_PEPPER than before', () => {
  let gateway: TestGateway;
  let dataSource: DataSource;
  const [first, second] = [1, 2].map(() => randomBytes(32).toString('hex')) as [string, string];
  const SENTENCE =
    /^API_KEY_PEPPER is another one than that of this database since 20\S+Z: API keys made with that/;

  beforeAll(async () => {
    gateway = await startGateway();
    ({ dataSource } = gateway);
  });
  afterAll(() => gateway.close());

  it('is told by the start that brings it, and by none after it', async () => {
    const told = [];
    for (const pepper of [first, first, second, second, first])
      told.push(await pepperChange(dataSource, pepper));
    expect(told).toEqual([
      null,
      null,
      expect.stringMatching(SENTENCE),
      null,
      expect.stringMatching(SENTENCE),
    ]);
  });

  it('is told once by replicas that start at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => pepperChange(dataSource, second)));
    expect(all.filter((told) => told !== null)).toHaveLength(1);
  });

  it('is kept as a mark that neither is the pepper nor holds it', async () => {
    const rows = await dataSource.query(`SELECT s::text AS row FROM settings s`);
    const text = JSON.stringify(rows);
    expect(text).toContain('api_key_pepper_mark');
    for (const pepper of [first, second]) {
      expect(text).not.toContain(pepper);
      expect(text).not.toContain(Buffer.from(pepper, 'hex').toString('base64url'));
    }
  });

  it('needs no more than the rights of a role that owns nothing', async () => {
    await dataSource
      .transaction(async (manager) => {
        await manager.query('CREATE ROLE pepper_reader');
        await manager.query('GRANT USAGE ON SCHEMA public TO pepper_reader');
        await manager.query(
          'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pepper_reader',
        );
        await manager.query('SET LOCAL ROLE pepper_reader');
        expect(await pepperChange(manager, first)).toMatch(SENTENCE);
        throw new Error('undone');
      })
      .catch((error: Error) => expect(error.message).toBe('undone'));
  });
});
