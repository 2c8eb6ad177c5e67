import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { HotStatements } from '../src/database/hot-statements';
import { ProcessLease } from '../src/usage/leases/process-lease.service';
import { SettlementSpool } from '../src/usage/spool/settlement-spool.service';
import { SpoolDirectory } from '../src/usage/spool/spool-directory';
import type { Settlement } from '../src/usage/token-usage';
import { startGateway, TestGateway } from './support/gateway';
import { LostTime } from './support/lost-time';
import { slowness } from './support/slowness';

describe('settlements that dead processes left on disk', () => {
  let folder: string;
  let settings: Record<string, string>;
  const gateways: TestGateway[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gateway-spool-'));
    mkdirSync(join(folder, 'spool'));
    settings = { DATA_DIR: folder, PROCESS_LEASE_MS: '1000' };
  });
  afterEach(async () => {
    for (const gateway of gateways.splice(0).toReversed()) await gateway.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async () => {
    const gateway = await startGateway({ settings });
    gateways.push(gateway);
    return gateway;
  };
  const records = (gateway: TestGateway) =>
    gateway.dataSource.query<{ request_id: string }[]>('SELECT request_id FROM usage_records ORDER BY 1');
  const untilEntered = async (gateway: TestGateway, settlements: readonly Settlement[]) => {
    const expected = settlements.map(({ requestId }) => ({ request_id: requestId }));
    for (let n = 0; n < 1_500 && (await records(gateway)).length < expected.length; n += 1) await sleep(20);
    expect(await records(gateway)).toEqual(expected);
  };

  it('are entered file by file, whatever one of them is', async () => {
    // Nobody can read this one, and it comes first.
    mkdirSync(join(folder, 'spool', '00000000-0000-7000-8000-000000000000.ndjson'));
    const settlement = aSettlement();
    writeFileSync(join(folder, 'spool', `${uuidV7()}.ndjson`), `${JSON.stringify(settlement)}\n`);
    await untilEntered(await start(), [settlement]);
  });

  it('are entered once, and their file removed, also when its last line ends within a character', async () => {
    const settlement = aSettlement();
    const torn = Buffer.from(JSON.stringify({ ...aSettlement(), model: 'modèle' }));
    const withinCharacter = torn.indexOf('è') + 1;
    const spool = join(folder, 'spool', `${uuidV7()}.ndjson`);
    const whole = Buffer.from(`${JSON.stringify(settlement)}\n`);
    writeFileSync(spool, Buffer.concat([whole, torn.subarray(0, withinCharacter)]));
    await untilEntered(await start(), [settlement]);
    for (let n = 0; n < 1_500 && existsSync(spool); n += 1) await sleep(20);
    expect(readdirSync(join(folder, 'spool')).filter((name) => name.includes('.ndjson'))).toEqual([]);
  });

  it('leave PostgreSQL to requests, however many there are', async () => {
    const settlements = Array.from({ length: 2_000 }, aSettlement);
    const spool = join(folder, 'spool', `${uuidV7()}.ndjson`);
    const gateway = await start();
    const lost = new LostTime();
    const { master } = gateway.dataSource.driver as unknown as { master: Pool };
    let mostInLine = 0;
    const looks = setInterval(() => (mostInLine = Math.max(mostInLine, master.waitingCount)), 1);
    const begunAt = Date.now();
    writeFileSync(spool, settlements.map((settlement) => `${JSON.stringify(settlement)}\n`).join(''));
    const statements = gateway.app.get(HotStatements, { strict: false });
    let longest = 0;
    while (existsSync(spool)) {
      const askedAt = Date.now();
      await statements.run('nothing', 'SELECT 1', []);
      const answeredAt = Date.now();
      longest = Math.max(longest, answeredAt - askedAt - (await lost.between(askedAt, answeredAt)));
    }
    clearInterval(looks);
    const all = Date.now() - begunAt;
    await lost.stop();
    expect(mostInLine).toBeLessThan(20);
    // Behind all of them it would have waited for as long as they take.
    expect(longest).toBeLessThan(Math.max(500 * slowness(), all / 4));
    expect(await records(gateway)).toHaveLength(2_000);
  });

  it('are left to the gateways of their own database when several share a DATA_DIR', async () => {
    const gateway = await start();
    const other = await start();
    const settlement = aSettlement();
    // As while PostgreSQL is away; the other gateway knows nothing of this process.
    const spool = gateway.app.get(SettlementSpool, { strict: false });
    await spool.append(settlement);
    await sleep(1_000);
    expect(await records(other)).toEqual([]);
    expect(await records(gateway)).toEqual([]);
    const directoryOf = ({ app }: TestGateway) => app.get(SpoolDirectory, { strict: false });
    expect(await directoryOf(other).others()).toEqual([await directoryOf(gateway).own()]);
    expect(await directoryOf(gateway).others()).toEqual([]);

    // As after kill -9.
    await gateway.app.get(ProcessLease, { strict: false }).end();
    const next = await startGateway({ settings, replicaOf: gateway });
    gateways.push(next);
    await untilEntered(next, [settlement]);
    expect(await records(other)).toEqual([]);
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
