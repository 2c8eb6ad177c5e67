import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { call } from './support/stream-client';

const PATH = '/v1/chat/completions';
const LIMIT = 600;
const short = { model: 'opencode-llm', max_tokens: 20, messages: [{ role: 'user', content: 'a title' }] };
/** Wants far more than there is, so that it holds all of it, and writes for as long as is said. */
const long = (tokens: number, tbtMs: number) => ({
  model: 'opencode-llm',
  stream: true,
  max_tokens: 32_000,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify({ tokens, tbtMs })}` }],
});

describe('a request for which only others hold the room', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: String(LIMIT) } });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  /** A stream that holds all that is left of the limit. */
  const holdAll = async (tokens: number, tbtMs: number) => {
    const answer = call({ url: gateway.url, path: PATH, credential: user.key, body: long(tokens, tbtMs) });
    for (;;) {
      const [row] = await gateway.dataSource.query<{ reserved: string }[]>(
        'SELECT reserved FROM open_requests WHERE user_id = $1',
        [user.id],
      );
      if (row) return { answer, reserved: Number(row.reserved) };
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const timed = async () => {
    const from = performance.now();
    const answer = await gateway.post(PATH, user.key, short);
    return { answer, waitedMs: performance.now() - from };
  };

  it('waits, and gets in once they have ended', async () => {
    const { answer, reserved } = await holdAll(20, 40);
    expect(reserved).toBe(LIMIT);
    const title = await timed();
    expect(title.answer.status).toBe(200);
    expect(title.waitedMs).toBeGreaterThan(300);
    expect((await answer).text).toContain('data: [DONE]');
  });

  it('is a 429 after two seconds, which says when to come back: the quota is not used up', async () => {
    const { answer } = await holdAll(80, 35);
    const title = await timed();
    expect(title.answer.status).toBe(429);
    expect(title.answer.headers.get('retry-after')).toBe('2');
    expect(title.answer.headers.get('x-should-retry')).toBeNull();
    expect(await title.answer.json()).toMatchObject({ error: { code: 'quota_reserved' } });
    expect(title.waitedMs).toBeGreaterThan(1_900);
    await answer;
    await untilNothingOpen(gateway);
    expect((await timed()).answer.status).toBe(200);
  });

  it('is a 402 at once when what is used leaves no room: waiting would not help', async () => {
    const first = await holdAll(570, 0);
    await first.answer;
    await untilNothingOpen(gateway);
    const title = await timed();
    expect(title.answer.status).toBe(402);
    expect(title.answer.headers.get('x-should-retry')).toBe('false');
    expect(await title.answer.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
    expect(title.waitedMs).toBeLessThan(1_500);
  });
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
