import { setTimeout as sleep } from 'node:timers/promises';
import { AdmissionService } from '../src/usage/admission/admission.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { holdStreams } from './support/held-streams';
import { untilNothingOpen } from './support/ledger';
import { undisturbed } from './support/undisturbed';

const PATH = '/v1/chat/completions';
const LIMIT = 600;
const short = { model: 'opencode-llm', max_tokens: 20, messages: [{ role: 'user', content: 'a title' }] };
/** Wants far more than there is, so that it holds all of it. */
const long = (tokens: number) => ({
  model: 'opencode-llm',
  max_tokens: 32_000,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens })}` }],
});

describe('a request for which only others hold the room', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: String(LIMIT) } });
  });
  afterAll(() => gateway.close());
  const renew = async () => {
    user = await gateway.register();
  };
  beforeEach(renew);
  afterEach(() => {
    gateway.simulator.settings.hung = false;
  });

  const holdAll = () => holdStreams(gateway, user, long(20));
  const timed = async () => {
    const from = performance.now();
    const answer = await gateway.post(PATH, user.key, short);
    return { answer, waitedMs: performance.now() - from };
  };

  it('waits, and gets in once they have ended', async () =>
    undisturbed(renew, async () => {
      const held = await holdAll();
      expect(held.reserved).toEqual([LIMIT]);
      const asked = timed();
      await sleep(500);
      const [text] = await held.release();
      const title = await asked;
      expect(title.answer.status).toBe(200);
      expect(title.waitedMs).toBeGreaterThan(450);
      expect(text).toContain('data: [DONE]');
    }));

  it('is a 429 after two seconds, which says when to come back: the quota is not used up', async () => {
    const held = await holdAll();
    const title = await timed();
    expect(title.answer.status).toBe(429);
    expect(title.answer.headers.get('retry-after')).toBe('2');
    expect(title.answer.headers.get('x-should-retry')).toBeNull();
    expect(await title.answer.json()).toMatchObject({ error: { code: 'quota_reserved' } });
    expect(title.waitedMs).toBeGreaterThan(1_900);
    await held.release();
    expect((await timed()).answer.status).toBe(200);
  });

  it('is a 402 at once when what is used leaves no room: waiting would not help', async () =>
    undisturbed(renew, async () => {
      await (await gateway.post(PATH, user.key, long(570))).text();
      await untilNothingOpen(gateway);
      const title = await timed();
      expect(title.answer.status).toBe(402);
      expect(title.answer.headers.get('x-should-retry')).toBe('false');
      expect(await title.answer.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
      expect(title.waitedMs).toBeLessThan(1_900);
    }));
});

describe('a request for which others leave no place', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DEFAULT_CONCURRENT_REQUESTS: '1' } });
  });
  afterAll(() => gateway.close());
  const renew = async () => {
    user = await gateway.register();
  };
  beforeEach(renew);
  afterEach(() => {
    gateway.simulator.settings.hung = false;
  });

  const timed = async () => {
    const from = performance.now();
    const answer = await gateway.post(PATH, user.key, short);
    return { answer, waitedMs: performance.now() - from };
  };

  it('waits, and holds nothing meanwhile, and gets in once one has ended', async () =>
    undisturbed(renew, async () => {
      const held = await holdStreams(gateway, user, short);
      const asked = timed();
      await sleep(500);
      const open = await gateway.dataSource.query('SELECT FROM open_requests WHERE user_id = $1', [user.id]);
      expect(open).toHaveLength(1);
      await held.release();
      const title = await asked;
      expect(title.answer.status).toBe(200);
      expect(title.waitedMs).toBeGreaterThan(450);
    }));

  it('is a 429 after two seconds, which says when to come back', async () => {
    const held = await holdStreams(gateway, user, short);
    const title = await timed();
    expect(title.answer.status).toBe(429);
    const seconds = Number(title.answer.headers.get('retry-after'));
    expect([seconds >= 1, seconds <= 60]).toEqual([true, true]);
    expect(title.answer.headers.get('x-should-retry')).toBeNull();
    expect(await title.answer.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
    expect(title.waitedMs).toBeGreaterThan(1_900);
    await held.release();
    expect((await timed()).answer.status).toBe(200);
  });

  it('is counted once its place is free and its tokens stand in the way: its bytes are no reason for a final refusal', async () =>
    undisturbed(renew, async () => {
      const filler = 'word '.repeat(300);
      const large = { ...short, messages: [{ role: 'user', content: filler }] };
      const held = await holdStreams(gateway, user, {
        ...short,
        max_tokens: 300,
        messages: long(280).messages,
      });
      await gateway.dataSource.query(
        `UPDATE limits SET amount = 1000 WHERE subject_id = $1 AND metric = 'tokens'`,
        [user.id],
      );
      const asked = gateway.post(PATH, user.key, large);
      await sleep(300);
      await held.release();
      const answer = await asked;
      expect([answer.status, Buffer.byteLength(filler) > 1_000]).toEqual([200, true]);
    }));

  it('lets all of twelve that come together have their turn, for a few looks each', async () =>
    undisturbed(renew, async () => {
      const looks = jest.spyOn(gateway.app.get(AdmissionService), 'decide');
      const answers = await Promise.all(Array.from({ length: 12 }, timed));
      expect(answers.map(({ answer }) => answer.status)).toEqual(answers.map(() => 200));
      expect(looks.mock.calls.length).toBeLessThan(12 * 8);
      looks.mockRestore();
      await untilNothingOpen(gateway);
    }));
});

describe('QUOTA_EXCEEDED_STATUS', () => {
  it.each(['403', '429'])(
    '%s answers a spent quota instead of 402, and is not to be retried either',
    async (status) => {
      const gateway = await startGateway({
        settings: { DEFAULT_TOKEN_LIMIT: '0', QUOTA_EXCEEDED_STATUS: status },
      });
      const user = await gateway.register();
      const answer = await gateway.post(PATH, user.key, short);
      expect(answer.status).toBe(Number(status));
      expect(answer.headers.get('x-should-retry')).toBe('false');
      expect(await answer.json()).toMatchObject({
        error: { code: 'insufficient_quota', type: 'insufficient_quota' },
      });
      await gateway.close();
    },
  );
});
