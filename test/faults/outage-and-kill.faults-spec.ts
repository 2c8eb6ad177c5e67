import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseGate, openDatabaseGate } from '../support/database-gate';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { cleanUp, emptyFolder, ensureBuilt, GatewayProcess, startProcess } from '../support/gateway-process';
import { counterDifferences, untilNothingOpen } from '../support/ledger';
import { call } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

/** Streams that end while PostgreSQL is away. */
const ENDING = 30;
/** Streams that still run when the gateway is killed. */
const RUNNING = 20;
const LEASE_MS = 2_000;
const OPEN =
  'SELECT request_id, prompt_tokens::int AS prompt, completion_tokens::int AS completion FROM open_requests';
const LEDGER = `SELECT request_id, source, prompt_tokens::int AS prompt, completion_tokens::int AS completion
  FROM usage_records`;

interface Billed {
  readonly request_id: string;
  readonly prompt: number;
  readonly completion: number;
}

/** A gateway that is killed in an outage of its PostgreSQL, beside one on another disk that reaches it all the time. */
describe('SIGKILL while PostgreSQL is away', () => {
  let watcher: TestGateway;
  let user: TestUser;
  let gate: DatabaseGate;
  let settings: Record<string, string>;

  beforeAll(() => ensureBuilt());
  beforeEach(async () => {
    const own = { PROCESS_LEASE_MS: String(LEASE_MS), DEFAULT_TOKEN_LIMIT: '1000000000' };
    watcher = await startGateway({ settings: own });
    user = await watcher.register();
    gate = await openDatabaseGate(watcher.env.DATABASE_URL as string);
    settings = {
      ...own,
      DATABASE_URL: gate.url,
      JWT_SECRET: watcher.env.JWT_SECRET as string,
      API_KEY_PEPPER: watcher.env.API_KEY_PEPPER as string,
      VLLM_BASE_URL: watcher.simulator.baseUrl,
      LOG_LEVEL: 'error',
    };
  });
  afterEach(async () => {
    gate.open();
    await cleanUp();
    await gate.close();
    await watcher.close();
  });

  const start = async (folder: string): Promise<GatewayProcess> => {
    const gateway = await startProcess(folder, settings);
    await gateway.ready();
    return gateway;
  };
  const journal = () => watcher.simulator.journal;

  it('loses no token of what had ended, and bills the rest as of its last checkpoint', async () => {
    const folder = emptyFolder();
    const killed = await start(folder);
    const { settings: vllm } = watcher.simulator;
    const ask = (count: number, steps: object) =>
      Array.from({ length: count }, () =>
        call({
          url: killed.url,
          path: CHAT,
          credential: user.key,
          body: JSON.parse(says(steps, { stream: true })),
        }),
      );
    // However busy the machine is, none goes on before all have begun.
    vllm.hung = true;
    const running = ask(RUNNING, { tokens: 2_000, tbtMs: 50 });
    const ending = ask(ENDING, { tokens: 20, tbtMs: 20 });
    const over: string[] = [];
    for (const answer of [...running, ...ending]) void answer.then(({ text }) => over.push(text));
    while (journal().running < ENDING + RUNNING) {
      expect(over).toEqual([]);
      await sleep(5);
    }
    vllm.hung = false;
    const isSilent = ({ outcome, completionTokens }: { outcome: string; completionTokens: number }) =>
      outcome === 'running' && completionTokens === 0;
    while (journal().entries.some(isSilent)) await sleep(5);
    vllm.hung = true;
    await untilCheckpointed(watcher);
    // The last beats have told all there is to tell: later, what was open may have been settled by the watcher.
    await sleep(LEASE_MS);
    const checkpoints = new Map(
      (await watcher.dataSource.query<Billed[]>(OPEN)).map((row) => [row.request_id, row]),
    );
    expect(checkpoints.size).toBe(ENDING + RUNNING);
    gate.shut();
    vllm.hung = false;
    const ended = await Promise.all(ending);
    expect(ended.filter(({ text }) => !text.endsWith('data: [DONE]\n\n'))).toEqual([]);
    expect(spooledIn(folder)).toHaveLength(ENDING);

    killed.kill('SIGKILL');
    expect(await killed.ended).toBe('SIGKILL');
    const cut = await Promise.all(running);
    await journal().waitForIdle(30_000);
    // The one on another disk knows no better than the checkpoints, and comes first.
    await untilNothingOpen(watcher);
    gate.open();
    await start(folder);
    const deadline = Date.now() + 60_000;
    while (spooledIn(folder).length > 0 && Date.now() < deadline) await sleep(50);

    const rows = await watcher.dataSource.query<(Billed & { source: string })[]>(LEDGER);
    const billed = new Map(rows.map((row) => [row.request_id, row]));
    expect(rows).toHaveLength(ENDING + RUNNING);
    for (const { requestId } of ended) {
      const entry = journal().find(requestId);
      expect(billed.get(requestId)).toEqual({
        request_id: requestId,
        source: 'exact',
        prompt: entry?.promptTokens,
        completion: entry?.completionTokens,
      });
    }
    for (const { requestId } of cut) {
      expect(billed.get(requestId)).toEqual({ ...checkpoints.get(requestId), source: 'estimated' });
      expect(billed.get(requestId)?.completion).toBeLessThanOrEqual(
        journal().find(requestId)?.completionTokens as number,
      );
    }
    expect(await counterDifferences(watcher)).toEqual([]);
  });
});

/** Lines that gateways of a folder have on disk. */
function spooledIn(folder: string): string[] {
  const spool = join(folder, 'data', 'spool');
  return readdirSync(spool, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ndjson'))
    .flatMap((name) => {
      const path = join(spool, name);
      // It may be entered and removed meanwhile.
      return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
    });
}

async function untilCheckpointed(gateway: TestGateway): Promise<void> {
  for (;;) {
    const rows = await gateway.dataSource.query<Billed[]>(OPEN);
    if (rows.length === ENDING + RUNNING && rows.every(({ completion }) => completion > 0)) return;
    await sleep(50);
  }
}
