import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { call } from '../support/stream-client';

const STREAMS = 120;

/** The reaper is called again and again while the owner of the same requests settles them itself. */
describe('a reaper beside settlements of the same requests', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeEach(async () => {
    gateway = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
    user = await gateway.register();
  });
  afterEach(() => gateway.close());

  it('ends with one row each, exact to the token, whoever came first', async () => {
    const during = new AbortController();
    let reaped = 0;
    const reaping = Array.from({ length: 2 }, async () => {
      while (!during.signal.aborted) {
        await gateway.dataSource.query(`UPDATE processes SET lease_until = '-infinity'`);
        const rows = await gateway.dataSource.query<unknown[]>(`SELECT reap_requests('UTC', 0, 7)`);
        reaped += rows.length;
        await sleep(2);
      }
    });
    const answers = await Promise.all(
      Array.from({ length: STREAMS }, (_, index) =>
        call({
          url: gateway.url,
          path: '/v1/chat/completions',
          credential: user.key,
          body: {
            model: 'opencode-llm',
            stream: index % 3 !== 0,
            messages: [
              { role: 'user', content: `SIM:${JSON.stringify({ tokens: 5 + index, tbtMs: index % 5 })}` },
            ],
          },
        }),
      ),
    );
    during.abort();
    await Promise.all(reaping);

    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    // A correction may come after its answer, which waits for it for half a second.
    const provisional = 'SELECT 1 FROM usage_records WHERE provisional';
    while ((await gateway.dataSource.query<unknown[]>(provisional)).length > 0) await sleep(20);
    const rows = await settledRows(gateway, user.id);
    expect(rows.map((row) => row.completion_tokens).sort((a, b) => a - b)).toEqual(
      Array.from({ length: STREAMS }, (_, index) => 5 + index),
    );
    expect(new Set(rows.map((row) => `${row.source} ${row.outcome}`))).toEqual(new Set(['exact completed']));
    expect(reaped).toBeGreaterThan(STREAMS / 2);
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
