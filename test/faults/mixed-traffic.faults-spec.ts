import { startGateway, TestGateway } from '../support/gateway';
import { counterDifferences, untilNothingOpen } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { truthOf } from '../support/conservation/bounds';
import { findings, LedgerLine } from '../support/conservation/findings';
import { Random } from '../support/conservation/random';
import type { Account } from '../support/conservation/requests';
import { client, Seen } from '../support/conservation/traffic';
import type { JournalEntry } from '../../src/simulator/journal';

const REQUESTS = 1_000;
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
    await untilNothingOpen(gateway, 15_000);
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
  }, 120_000);
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
