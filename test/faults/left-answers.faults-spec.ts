import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows } from '../support/ledger';
import { call } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

/** Answers that are finished for clients which have left, at once. */
const MOST = 64;
const MORE = 16;
const ANSWER = { tokens: 60, tbtMs: 50 };

describe('whole answers whose clients have left', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  const leave = (count: number, hangUpAfterMs: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        call({
          url: gateway.url,
          path: CHAT,
          credential: user.key,
          body: JSON.parse(says(ANSWER)),
          hangUpAfterMs,
        }),
      ),
    );
  const outcomes = (outcome: string) =>
    gateway.simulator.journal.entries.filter((entry) => entry.path === CHAT && entry.outcome === outcome);

  it(`are finished and billed, ${MOST} at once; beyond that stopped, and the prompt alone is billed`, async () => {
    await leave(MOST + MORE, 1_500);
    const rows = await settledRows(gateway, user.id, 15_000);
    expect(rows.map(({ outcome, status }) => `${outcome} ${status}`)).toEqual(
      Array.from({ length: MOST + MORE }, () => 'client_closed 499'),
    );
    const finished = rows.filter(({ source }) => source === 'exact');
    const stopped = rows.filter(({ source }) => source === 'estimated');
    expect([finished.length, stopped.length]).toEqual([MOST, MORE]);
    expect(new Set(finished.map((row) => row.completion_tokens))).toEqual(new Set([ANSWER.tokens]));
    expect(new Set(stopped.map((row) => row.completion_tokens))).toEqual(new Set([0]));
    expect(new Set(rows.map((row) => row.prompt_tokens))).toEqual(
      new Set(outcomes('completed').map((entry) => entry.promptTokens)),
    );
    expect([outcomes('completed').length, outcomes('cancelled').length]).toEqual([MOST, MORE]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('make room for others when they have ended', async () => {
    await leave(MOST, 1_500);
    await settledRows(gateway, user.id, 15_000);
    await leave(MOST, 1_500);
    const rows = await settledRows(gateway, user.id, 15_000);
    expect(new Set(rows.map((row) => row.source))).toEqual(new Set(['exact']));
    expect(rows).toHaveLength(2 * MOST);
  });
});
