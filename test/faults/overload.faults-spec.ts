import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';

const BODY = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 };
const ROUTES = ['/v1/chat/completions', '/v1/completions', '/chat/completions', '/v1/chat/completions?x=1'];

/** Twice the lag that is too much, in every turn of the event loop. */
const BUSY_MS = 200;

describe('an event loop that is behind', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let busy: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { SHED_AFTER_MS: '100' } });
    user = await gateway.register();
  });
  afterEach(() => clearInterval(busy));
  afterAll(() => gateway.close());

  const keepBusy = (): void => {
    busy = setInterval(() => {
      const until = performance.now() + BUSY_MS;
      while (performance.now() < until);
    }, 1);
  };

  const isServedAgain = async (): Promise<boolean> => {
    const deadline = performance.now() + 60_000;
    while (performance.now() < deadline) {
      // Longer than a gateway that is not behind takes to find out that it is not.
      await sleep(1_500);
      if ((await gateway.post(ROUTES[0] as string, user.key, BODY)).status === 200) return true;
    }
    return false;
  };

  it('after a second refuses new generations with 503 and Retry-After, whoever asks, and tells of it', async () => {
    gateway.simulator.journal.clear();
    keepBusy();
    await sleep(2_500);
    for (const route of ROUTES) {
      const answer = await gateway.post(route, '', BODY);
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^[1-3]$/);
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(await answer.json()).toEqual({
        error: {
          message:
            'The gateway has more requests than it can serve at the moment. Send this one again shortly.',
          type: 'server_error',
          param: null,
          code: 'overloaded',
        },
      });
    }
    expect((await gateway.get('/users/me', user.accessToken)).status).toBe(200);
    expect(gateway.simulator.journal.entries).toEqual([]);
    expect(await settledRows(gateway, user.id)).toEqual([]);

    clearInterval(busy);
    expect(await isServedAgain()).toBe(true);
  });

  it('lets what runs run to its end', async () => {
    expect(await isServedAgain()).toBe(true);
    const content = `SIM:${JSON.stringify({ tokens: 30, tbtMs: 50 })}`;
    const body = { ...BODY, max_tokens: 30, stream: true, messages: [{ role: 'user', content }] };
    const running = await gateway.post(ROUTES[0] as string, user.key, body);
    keepBusy();
    const text = await running.text();
    expect(text).toMatch(/"finish_reason":"(stop|length)"/);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('is no overload when it was one long pause', async () => {
    expect(await isServedAgain()).toBe(true);
    const until = performance.now() + 2_000;
    while (performance.now() < until);
    expect((await gateway.post(ROUTES[0] as string, user.key, BODY)).status).toBe(200);
  });
});
