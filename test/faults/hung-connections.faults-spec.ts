import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseGate, openDatabaseGate } from '../support/database-gate';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { slowness } from '../support/slowness';

/** Fewer than the connections that will hang: none of them may be missing for the others. */
const settings = { PROCESS_LEASE_MS: '6000', DATABASE_POOL_SIZE: '2' };
const body = {
  model: 'opencode-llm',
  max_tokens: 20,
  messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
};
/** What takes less does not wait for anything that hangs: that is given up after 3 s. */
const NO_WAIT_MS = 2_800;
const STOOD_STILL_MS = 300;
const MOST_TRIES = 5;
/** On a machine that is not slower than usual within half a second of when the one that hangs is given up. */
const promptly = () => 3_000 + 500 * slowness();

/** As a firewall does it that has forgotten a connection: no error, no end, only silence on this one. */
describe('a connection to PostgreSQL hangs for good while others work', () => {
  let watcher: TestGateway;
  let gateway: TestGateway;
  let gate: DatabaseGate;
  let user: TestUser;
  let served = 0;
  const lost = new LostTime();

  beforeEach(async () => {
    served = 0;
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
  afterAll(() => lost.stop());

  const chat = async () => {
    const askedAt = performance.now();
    const answer = await gateway.post('/v1/chat/completions', user.key, body);
    await answer.text();
    if (answer.status === 200) served += 1;
    return { status: answer.status, ms: performance.now() - askedAt };
  };
  /** Once more when the machine stood still meanwhile: then others may have waited for too long as well. */
  const undisturbed = async <T>(round: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      const from = Date.now();
      const seen = await round();
      const lostMs = await lost.between(from, Date.now());
      if (lostMs < STOOD_STILL_MS || tries === MOST_TRIES) return seen;
    }
  };
  const expectAllInLedger = async () => {
    await untilNothingOpen(watcher);
    const rows = await settledRows(watcher, user.id);
    expect(rows.filter(({ outcome }) => outcome === 'completed')).toHaveLength(served);
    expect(await counterDifferences(watcher)).toEqual([]);
  };

  it('under an admission: that one is refused within 3.5 s, those behind it and after it are let in', async () => {
    for (let time = 1; time <= 3; time += 1) {
      const { hung, refused, behind, after } = await undisturbed(async () => {
        const before = gate.hanging;
        gate.hangNextThatSends(/admit_request/);
        const [first, second] = await Promise.all([chat(), sleep(1_000).then(chat)]);
        return { hung: gate.hanging - before, refused: first, behind: second, after: await chat() };
      });
      expect([hung, refused.status, behind.status, after.status]).toEqual([1, 503, 200, 200]);
      expect(refused.ms).toBeLessThan(promptly());
      // Its turn came when the other one was given up, for which it waited 2 s.
      expect(behind.ms).toBeLessThan(promptly());
      expect(after.ms).toBeLessThan(NO_WAIT_MS);
    }
    await expectAllInLedger();
  });

  it.each<[string, RegExp, (fresh: TestUser) => Promise<Response>]>([
    [
      'an API key',
      /find_api_key|previous_key_hash/,
      ({ key }) => gateway.post('/v1/chat/completions', key, body),
    ],
    ['a session', /find_session|FROM sessions/, ({ accessToken }) => gateway.get('/users/me', accessToken)],
  ])('under the look at %s: who asked is answered within 3.5 s, and then let in', async (_, text, ask) => {
    const { first, ms, hung, again } = await undisturbed(async () => {
      const fresh = await watcher.register();
      const before = gate.hanging;
      gate.hangNextThatSends(text);
      const askedAt = performance.now();
      const { status } = await ask(fresh);
      const took = performance.now() - askedAt;
      return { first: status, ms: took, hung: gate.hanging - before, again: (await ask(fresh)).status };
    });
    expect([first, hung, again]).toEqual([503, 1, 200]);
    expect(ms).toBeLessThan(promptly());
    await untilNothingOpen(watcher);
  });

  it('under a settlement: the answer is delivered, and what it cost is in the ledger by another connection', async () => {
    const { hung, answers } = await undisturbed(async () => {
      const before = gate.hanging;
      gate.hangNextThatSends(/settle_requests/);
      const both = [await chat(), await chat()];
      await untilNothingOpen(watcher);
      return { hung: gate.hanging - before, answers: both };
    });
    expect([hung, ...answers.map(({ status }) => status)]).toEqual([1, 200, 200]);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(NO_WAIT_MS);
    await expectAllInLedger();
  });

  it('under the renewal of the lease: another one renews it, and requests are let in as before', async () => {
    gate.hangNextThatSends(/renew_lease/);
    const endsAt = Date.now() + 9_000;
    while (Date.now() < endsAt) {
      const from = Date.now();
      const { status, ms } = await chat();
      const stoodStill = (await lost.between(from, Date.now())) > STOOD_STILL_MS;
      if (!stoodStill) expect([status, ms < promptly()]).toEqual([200, true]);
      await sleep(250);
    }
    expect(gate.hanging).toBe(1);
    await untilNothingOpen(watcher);
    const rows = await settledRows(watcher, user.id);
    expect(rows.filter(({ source }) => source !== 'exact')).toEqual([]);
    expect(served).toBeGreaterThan(1);
  });
});
