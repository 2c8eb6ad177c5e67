import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidV7 } from 'uuid';
import type { Settlement } from '../src/usage/token-usage';
import { startGateway, TestGateway } from './support/gateway';

describe('settlements that dead processes left on disk', () => {
  let folder: string;
  const gateways: TestGateway[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gateway-spool-'));
    mkdirSync(join(folder, 'spool'));
  });
  afterEach(async () => {
    for (const gateway of gateways.splice(0).reverse()) await gateway.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async () => {
    const gateway = await startGateway({ settings: { DATA_DIR: folder, PROCESS_LEASE_MS: '1000' } });
    gateways.push(gateway);
    return gateway;
  };
  const records = (gateway: TestGateway) =>
    gateway.dataSource.query<{ request_id: string }[]>('SELECT request_id FROM usage_records ORDER BY 1');
  const untilEntered = async (gateway: TestGateway, settlements: readonly Settlement[]) => {
    const expected = settlements.map(({ requestId }) => ({ request_id: requestId }));
    for (let n = 0; n < 200 && (await records(gateway)).length < expected.length; n += 1) await sleep(20);
    expect(await records(gateway)).toEqual(expected);
  };

  it('are entered file by file, whatever one of them is', async () => {
    // Nobody can read this one, and it comes first.
    mkdirSync(join(folder, 'spool', '00000000-0000-7000-8000-000000000000.ndjson'));
    const settlement = aSettlement();
    writeFileSync(join(folder, 'spool', `${uuidV7()}.ndjson`), `${JSON.stringify(settlement)}\n`);
    await untilEntered(await start(), [settlement]);
  });
});

function aSettlement(): Settlement {
  return {
    requestId: uuidV7(),
    userId: uuidV7(),
    apiKeyId: null,
    endpoint: 'chat_completions',
    model: 'opencode-llm',
    stream: false,
    outcome: 'completed',
    source: 'exact',
    status: 200,
    usage: { prompt: 3, cached: 0, completion: 4, reasoning: 0 },
    timeToFirstTokenMs: null,
    durationMs: 1,
  };
}
