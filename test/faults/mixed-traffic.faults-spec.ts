import { setTimeout as sleep } from 'node:timers/promises';
import { HotStatements } from '../../src/database/hot-statements';
import { startGateway, TestGateway } from '../support/gateway';
import { counterDifferences, untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { LostTime } from '../support/lost-time';
import { slowness } from '../support/slowness';
import { truthOf } from '../support/conservation/bounds';
import { findings, LedgerLine } from '../support/conservation/findings';
import { Random } from '../support/conservation/random';
import type { Account } from '../support/conservation/requests';
import { client, Seen } from '../support/conservation/traffic';
import { call, StreamedAnswer } from '../support/stream-client';
import { CHAT, says } from '../support/wire';
import type { JournalEntry } from '../../src/simulator/journal';

const REQUESTS = 1_000;
/** So many begin together that also a slow machine admits all of them before the last is tired of waiting. */
const WAVE = 100;
const CLIENTS = 24;
const SEED = Number(process.env.MIXED_TRAFFIC_SEED ?? Date.now() % 1_000_000);

/** The simulator's journal says what was generated; the clients' log what arrived; the ledger what is billed. */
describe(`a thousand mixed requests (MIXED_TRAFFIC_SEED=${SEED})`, () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      settings: {
        DEFAULT_TOKEN_LIMIT: '1000000000',
        UPSTREAM_IDLE_TIMEOUT_MS: '1000',
        UPSTREAM_FIRST_BYTE_TIMEOUT_MS: '5000',
      },
    });
  });
  afterAll(() => gateway.close());

  it('streams or not, n, tools, 30 % who leave, faults of vLLM: journal and ledger agree to the token', async () => {
    const accounts: Account[] = [];
    for (let index = 0; index < 4; index += 1) {
      const { id, key, accessToken } = await gateway.register();
      accounts.push({ id, key, session: accessToken });
    }
    const clients: Seen[] = [];
    let asked = 0;
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) =>
        client(
          new Random(SEED + index),
          accounts,
          () => [gateway.url],
          (seen) => clients.push(seen),
          () => (asked += 1) <= REQUESTS,
        ),
      ),
    );
    await untilNothingOpen(gateway);
    const ledger = await gateway.dataSource.query<LedgerLine[]>(
      `SELECT request_id, outcome, source, status, prompt_tokens::int AS prompt, completion_tokens::int AS completion,
         provisional FROM usage_records`,
    );
    const journal = new Map<string, JournalEntry[]>();
    for (const entry of gateway.simulator.journal.entries) {
      if (!entry.path.endsWith('/completions')) continue;
      journal.set(entry.requestId, [...(journal.get(entry.requestId) ?? []), entry]);
    }
    expect(findings({ journal, ledger, clients, checkpoints: new Map(), estimates: 'counted' })).toEqual([]);
    expect(await ledgerLines(gateway)).toEqual([]);
    expect(await counterDifferences(gateway)).toEqual([]);
    expect(new Set(ledger.map((row) => row.outcome))).toEqual(
      new Set(['completed', 'client_closed', 'upstream_error', 'rejected']),
    );
    const completed = ledger.filter(
      ({ request_id, outcome, source }) =>
        outcome === 'completed' && source === 'exact' && !truthOf(journal.get(request_id) ?? []).saysZero,
    );
    const generated = completed.flatMap((row) => journal.get(row.request_id) ?? []);
    expect(sum(completed.map((row) => row.prompt + row.completion))).toBe(
      sum(generated.map((entry) => entry.promptTokens + entry.completionTokens)),
    );
    expect(ledger.length).toBeGreaterThan(0.8 * REQUESTS);
  });
});

describe('a thousand streams of one user that end at the same moment', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    // The engine that holds them until all have begun is not to be doubted.
    const settings = { DEFAULT_TOKEN_LIMIT: '1000000000', UPSTREAM_PROBE_AFTER_MS: '0' };
    gateway = await startGateway({ settings });
  });
  afterAll(() => gateway.close());

  it('are settled within seconds of their ends, in few statements', async () => {
    const user = await gateway.register();
    const { journal, settings: vllm } = gateway.simulator;
    vllm.hung = true;
    const body = JSON.parse(says({ tokens: 2 }, { stream: true })) as object;
    const stream = async (): Promise<StreamedAnswer> => {
      const answer = await call({ url: gateway.url, path: CHAT, credential: user.key, body });
      // The machine stood still, and PostgreSQL with it.
      return answer.status === 503 ? stream() : answer;
    };
    const streams: Promise<StreamedAnswer>[] = [];
    while (streams.length < REQUESTS) {
      for (let n = 0; n < WAVE; n += 1) streams.push(stream());
      while (journal.running < streams.length) await sleep(20);
    }
    const [lost, slownessBefore] = [new LostTime(), slowness()];
    const statements = jest.spyOn(gateway.app.get(HotStatements, { strict: false }), 'run');
    const from = Date.now();
    vllm.hung = false;
    const answers = await Promise.all(streams);
    expect(answers.filter(({ text }) => !text.endsWith('data: [DONE]\n\n'))).toEqual([]);
    await untilNothingOpen(gateway);
    const lostMs = await lost.between(from, Date.now());
    await lost.stop();
    const settling = statements.mock.calls.filter(([name]) => name === 'settle_requests').length;
    statements.mockRestore();
    // The id of a request has the millisecond of its arrival in it.
    const [settled] = await gateway.dataSource.query<{ rows: number; longest: number }[]>(
      `SELECT count(*)::int AS rows, max(extract(epoch FROM settled_at) * 1000 - duration_ms
         - ('x' || substr(replace(request_id::text, '-', ''), 1, 12))::bit(48)::bigint)::int AS longest
       FROM usage_records WHERE source = 'exact' AND completion_tokens = 2`,
    );
    expect(settled?.rows).toBe(REQUESTS);
    // Two seconds, and as much for a machine that has other things to do.
    const most = 4_000 * Math.max(slownessBefore, slowness()) + lostMs;
    expect(settled?.longest).toBeLessThan(most);
    expect(settling).toBeLessThan(REQUESTS / 4);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
