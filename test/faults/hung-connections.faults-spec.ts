import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseGate, openDatabaseGate } from '../support/database-gate';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';

/** Fewer than the connections that will hang: none of them may be missing for the others. */
const settings = { PROCESS_LEASE_MS: '6000', DATABASE_POOL_SIZE: '2' };
const body = {
  model: 'opencode-llm',
  max_tokens: 20,
  messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
};

/** As a firewall does it that has forgotten a connection: no error, no end, only silence on this one. */
describe('a connection to PostgreSQL hangs for good while others work', () => {
  let watcher: TestGateway;
  let gateway: TestGateway;
  let gate: DatabaseGate;
  let user: TestUser;

  beforeEach(async () => {
    watcher = await startGateway({ settings });
    gate = await openDatabaseGate(watcher.env.DATABASE_URL as string);
    gateway = await startGateway({ settings: { ...settings, DATABASE_URL: gate.url }, replicaOf: watcher });
    user = await gateway.register();
    await chat();
  });
  afterEach(async () => {
    // Those that hang are closed with the gate, or PostgreSQL would be waited for until the end.
    await Promise.all([gateway.close(), sleep(200).then(() => gate.close())]);
    await watcher.close();
  });

  const chat = async () => {
    const askedAt = performance.now();
    const answer = await gateway.post('/v1/chat/completions', user.key, body);
    await answer.text();
    return { status: answer.status, ms: performance.now() - askedAt };
  };

  it('under an admission: that one is refused within 3.5 s, those behind it and after it are let in', async () => {
    for (let time = 1; time <= 3; time += 1) {
      gate.hangNextThatSends(/admit_request/);
      const [refused, behind] = await Promise.all([chat(), sleep(1_000).then(chat)]);
      expect([refused.status, behind.status, gate.hanging]).toEqual([503, 200, time]);
      expect(refused.ms).toBeLessThan(3_500);
      // Its turn came when the other one was given up.
      expect(behind.ms).toBeLessThan(3_000);
      const after = await chat();
      expect([after.status, after.ms < 1_000]).toEqual([200, true]);
    }
    await untilNothingOpen(watcher, 15_000);
    expect(await settledRows(watcher, user.id)).toHaveLength(7);
    expect(await counterDifferences(watcher)).toEqual([]);
  });

  it.each<[string, RegExp, (fresh: TestUser) => Promise<Response>]>([
    [
      'an API key',
      /find_api_key|previous_key_hash/,
      ({ key }) => gateway.post('/v1/chat/completions', key, body),
    ],
    ['a session', /find_session|FROM sessions/, ({ accessToken }) => gateway.get('/users/me', accessToken)],
  ])('under the look at %s: who asked is answered within 3.5 s, and then let in', async (_, text, ask) => {
    const fresh = await watcher.register();
    gate.hangNextThatSends(text);
    const askedAt = performance.now();
    const first = await ask(fresh);
    expect([first.status, performance.now() - askedAt < 3_500, gate.hanging]).toEqual([503, true, 1]);
    expect((await ask(fresh)).status).toBe(200);
    await untilNothingOpen(watcher, 15_000);
  });

  it('under a settlement: the answer is delivered, and what it cost is in the ledger by another connection', async () => {
    gate.hangNextThatSends(/settle_requests/);
    const answers = [await chat(), await chat()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_500);
    await untilNothingOpen(watcher, 15_000);
    expect([gate.hanging, (await settledRows(watcher, user.id)).length]).toEqual([1, 3]);
    expect(await counterDifferences(watcher)).toEqual([]);
  });

  it('under the renewal of the lease: another one renews it, and requests are let in as before', async () => {
    gate.hangNextThatSends(/renew_lease/);
    const endsAt = Date.now() + 9_000;
    while (Date.now() < endsAt) {
      const { status, ms } = await chat();
      expect([status, ms < 3_500]).toEqual([200, true]);
      await sleep(250);
    }
    expect(gate.hanging).toBe(1);
    await untilNothingOpen(watcher, 15_000);
    const rows = await settledRows(watcher, user.id);
    expect(rows.filter(({ source }) => source !== 'exact')).toEqual([]);
  });
});
