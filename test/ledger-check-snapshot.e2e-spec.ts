import { Client } from 'pg';
import { ledgerDifferences } from '../src/usage/ledger-check/ledger-differences';
import { startGateway, TestGateway } from './support/gateway';
import { recordGeneration } from './support/generations';

const LOCK_NOT_AVAILABLE = '55P03';

describe('the check of the ledger', () => {
  let gateway: TestGateway;
  let client: Client;

  beforeAll(async () => {
    gateway = await startGateway();
    client = new Client({ connectionString: gateway.env.DATABASE_URL });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await gateway.close();
  });

  it('keeps the months it compares from being dropped until its end', async () => {
    const { id } = await gateway.register();
    const old = new Date(Date.now() - 200 * 86_400_000);
    const month = `${old.toISOString().slice(0, 7)}-01`;
    await gateway.dataSource.query('SELECT ensure_usage_partition($1::timestamp)', [month]);
    await recordGeneration(gateway, { userId: id, at: old, prompt: 3, completion: 4 });
    const drop = async () => {
      const other = new Client({ connectionString: gateway.env.DATABASE_URL });
      await other.connect();
      try {
        await other.query('SET lock_timeout = 300');
        return await other.query('SELECT drop_usage_partition($1::timestamp)', [month]).then(
          () => 'dropped',
          ({ code }: { code: string }) => code,
        );
      } finally {
        await other.end();
      }
    };
    const { differences: before } = await ledgerDifferences(client, 'UTC');
    const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<unknown>;
    const dropped: string[] = [];
    const spy = jest.spyOn(client, 'query').mockImplementation((async (text: string, values?: unknown[]) => {
      const answer = await query(text, values);
      // As soon as it has its snapshot.
      if (dropped.length === 0 && text.includes('usage_retention')) dropped.push(await drop());
      return answer;
    }) as never);
    const { differences } = await ledgerDifferences(client, 'UTC');
    spy.mockRestore();
    expect(dropped).toEqual([LOCK_NOT_AVAILABLE]);
    expect(differences).toEqual(before);
    expect(await drop()).toBe('dropped');
  });
});
