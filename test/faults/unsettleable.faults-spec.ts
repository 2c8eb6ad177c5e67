import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidV7 } from 'uuid';
import { ProcessIdentity } from '../../src/usage/leases/process-identity';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { recordGeneration } from '../support/generations';

const LEASE_MS = 1_000;

/** Open and settled at once: PostgreSQL refuses the second record, however often it is tried. */
describe('a request that cannot be settled', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PROCESS_LEASE_MS: String(LEASE_MS) } });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const open = (requestId: string, processId: string) =>
    gateway.dataSource.query(
      `INSERT INTO open_requests (request_id, process_id, admitted_at, user_id, endpoint, model, stream, prompt_bound,
         reserved, held, prompt_tokens, completion_tokens, checkpoint_at)
       VALUES ($1, $2, now() - interval '1 minute', $3, 'chat_completions', 'x', true, 9, 9, '{}', 4, 5, now())`,
      [requestId, processId, user.id],
    );
  const records = (requestIds: readonly string[]) =>
    gateway.dataSource.query<{ source: string; completion: number }[]>(
      `SELECT source, completion_tokens::int AS completion FROM usage_records WHERE request_id = ANY ($1)`,
      [requestIds],
    );

  it.each([
    ['a dead process had open', () => randomUUID()],
    ['is open here and known to nobody', () => gateway.app.get(ProcessIdentity, { strict: false }).id],
  ])('holds up nothing else that %s', async (_, processOf) => {
    const process = processOf();
    const at = new Date(Date.now() - 60_000);
    const stuck = await recordGeneration(gateway, { userId: user.id, at, prompt: 1, completion: 1 });
    const others = [uuidV7(), uuidV7()];
    for (const requestId of [stuck, ...others]) await open(requestId, process);
    const deadline = Date.now() + 15 * LEASE_MS;
    while ((await records(others)).length < 2 && Date.now() < deadline) await sleep(50);
    const estimated = { source: 'estimated', completion: 5 };
    expect(await records(others)).toEqual([estimated, estimated]);
    expect(await records([stuck])).toEqual([{ source: 'exact', completion: 1 }]);
    await gateway.dataSource.query('DELETE FROM open_requests WHERE request_id = $1', [stuck]);
  });
});
