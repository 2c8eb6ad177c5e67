import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows } from '../support/ledger';
import { call } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

/** Answers that are finished for clients which have left, at once. */
const MOST = 64;
const MORE = 16;
const ANSWER = { tokens: 60, tbtMs: 10 };

describe('whole answers whose clients have left', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    // The engine that waits until all have left is not to be doubted.
    const settings = { DEFAULT_TOKEN_LIMIT: '1000000000', UPSTREAM_PROBE_AFTER_MS: '0' };
    gateway = await startGateway({ settings });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  /** All of them once all are at vLLM, which goes on when they have left. */
  const leave = async (count: number) => {
    const { settings: vllm } = gateway.simulator;
    vllm.hung = true;
    let areAll = false;
    const hangUpOnce = () => (areAll ||= outcomes('running').length === count);
    const body = JSON.parse(says(ANSWER));
    await Promise.all(
      Array.from({ length: count }, () =>
        call({ url: gateway.url, path: CHAT, credential: user.key, body, hangUpOnce }),
      ),
    );
    while (outcomes('running').length > MOST) await sleep(10);
    // Turns enough, also after a pause, for the gateway to see the last of them leave, and to stop more than it should.
    for (let turn = 0; turn < 10; turn += 1) await sleep(50);
    vllm.hung = false;
  };
  const outcomes = (outcome: string) =>
    gateway.simulator.journal.entries.filter((entry) => entry.path === CHAT && entry.outcome === outcome);

  it(`are finished and billed, ${MOST} at once; beyond that stopped, and the prompt alone is billed`, async () => {
    await leave(MOST + MORE);
    const rows = await settledRows(gateway, user.id);
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
    await leave(MOST);
    await settledRows(gateway, user.id);
    await leave(MOST);
    const rows = await settledRows(gateway, user.id);
    expect(new Set(rows.map((row) => row.source))).toEqual(new Set(['exact']));
    expect(rows).toHaveLength(2 * MOST);
  });
});
