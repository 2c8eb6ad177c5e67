import { setTimeout as sleep } from 'node:timers/promises';
import { Metrics } from '../../src/observability/metrics';
import { Simulator, startSimulator } from '../../src/simulator/simulator';
import { asAdmin } from '../support/administration';
import { freePort } from '../support/gateway-process';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { send } from '../support/send';

/** A twentieth of the defaults, about: one that hangs is down after some 2 s. */
const SOON = { UPSTREAM_PROBE_AFTER_MS: '500', UPSTREAM_PROBE_TIMEOUT_MS: '1500', SHUTDOWN_GRACE_MS: '2000' };
const CHAT = '/v1/chat/completions';

const chat = (steps: object, stream = false, model = 'opencode-llm') => ({
  model,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
  stream,
});
const probes = (simulator: Simulator) =>
  simulator.journal.entries.filter(({ requestId }) => requestId.startsWith('probe-'));
const generations = (simulator: Simulator) =>
  simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));

const readiness = async (gateway: TestGateway): Promise<Record<string, unknown>> => {
  const { status, body } = await send(`${gateway.url}/health/ready`);
  return { http: status, ...body };
};
/** What /health/ready says of vLLM; it looks once a second. */
async function untilUpstreamIs(said: 'up' | 'down', gateway: TestGateway): Promise<void> {
  const deadline = Date.now() + 20_000;
  while ((await readiness(gateway)).upstream !== said) {
    if (Date.now() > deadline) throw new Error(`never ${said}`);
    await sleep(100);
  }
}
const lost = new LostTime();
afterAll(() => lost.stop());
/** @returns after how many milliseconds of a machine that runs */
async function untilServed(gateway: TestGateway, user: TestUser): Promise<number> {
  const startedAt = Date.now();
  while ((await gateway.post(CHAT, user.key, chat({ tokens: 2 }))).status !== 200) {
    if (Date.now() > startedAt + 20_000) throw new Error('never up');
    await sleep(50);
  }
  const servedAt = Date.now();
  return servedAt - startedAt - (await lost.between(startedAt, servedAt));
}

describe('an engine that hangs while /health is answered', () => {
  let gateway: TestGateway;
  let trusting: TestGateway;
  let user: TestUser;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: SOON });
    trusting = await startGateway({
      replicaOf: gateway,
      settings: { ...SOON, UPSTREAM_PROBE_AFTER_MS: '0' },
    });
    user = await gateway.register();
    admin = await gateway.registerAdmin();
  });
  afterAll(async () => {
    await trusting.close();
    await gateway.close();
  });

  const openRequests = async () => {
    const [row] = await gateway.dataSource.query<{ open: number }[]>(
      'SELECT count(*)::int AS open FROM open_requests',
    );
    return row?.open;
  };
  const gauge = async () =>
    /^llm_gateway_upstream_up (\d)/m.exec(await gateway.app.get(Metrics).registry.metrics())?.[1];

  it('is noticed, refused for at once and without a reservation, and used again as soon as it works', async () => {
    const { simulator } = gateway;
    expect((await gateway.post(CHAT, user.key, chat({ tokens: 3 }))).status).toBe(200);
    expect(await gauge()).toBe('1');
    simulator.settings.hung = true;
    const waiting = [true, false].map((stream) => gateway.post(CHAT, user.key, chat({ tokens: 3 }, stream)));
    const elsewhere = trusting.post(CHAT, user.key, chat({ tokens: 3 }));
    await untilUpstreamIs('down', gateway);
    expect(await readiness(gateway)).toMatchObject({ http: 200, status: 'ok', upstream: 'down' });
    await untilUpstreamIs('up', trusting);
    expect(await gauge()).toBe('0');
    const [state] = (await asAdmin(gateway, admin)('/upstreams')).body.data as unknown[];
    expect(state).toMatchObject({ reachable: true, answering: false });

    const known = generations(simulator).length - probes(simulator).length;
    const startedAt = Date.now();
    for (const [path, credential] of [
      [CHAT, user.key],
      ['/v1/completions', user.key],
      ['/chat/completions', user.accessToken],
    ] as const) {
      const refused = await send(gateway.url + path, {
        bearer: credential,
        json: { prompt: 'x'.repeat(2e6) },
      });
      expect(refused.status).toBe(503);
      expect(refused.body).toEqual({
        error: {
          message: expect.stringContaining('does not answer'),
          type: 'server_error',
          param: null,
          code: 'upstream_unavailable',
        },
      });
      expect(refused.headers.get('retry-after')).toBe('5');
    }
    // One that waited for vLLM would wait for minutes.
    expect(Date.now() - startedAt).toBeLessThan(20_000);
    expect((await send(gateway.url + CHAT, { json: chat({}), bearer: 'nobody' })).status).toBe(401);
    expect(await openRequests()).toBe(3);
    expect(generations(simulator).length - probes(simulator).length).toBe(known);

    simulator.settings.hung = false;
    expect(await untilServed(gateway, user)).toBeLessThan(5_000);
    for (const answer of [...waiting, elsewhere]) expect((await answer).status).toBe(200);
    expect(await gauge()).toBe('1');
    await untilUpstreamIs('up', gateway);

    // One row for what was asked by somebody, none for a probe.
    const rows = await settledRows(gateway, user.id);
    expect(rows.map(({ outcome }) => outcome)).toEqual(Array<string>(5).fill('completed'));
    expect(probes(simulator).length).toBeGreaterThanOrEqual(2);
    expect(probes(simulator).every(({ body }) => (body as { max_tokens: number }).max_tokens === 1)).toBe(
      true,
    );
    const [ledger] = await gateway.dataSource.query<{ rows: number }[]>(
      'SELECT count(*)::int AS rows FROM usage_records',
    );
    expect(ledger?.rows).toBe(5);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

describe('an engine that hangs and is started anew', () => {
  let port: number;
  let vllm: Simulator;
  let gateway: TestGateway;

  beforeAll(async () => {
    port = await freePort();
    vllm = await startSimulator({ port });
    gateway = await startGateway({ settings: { ...SOON, VLLM_BASE_URL: vllm.baseUrl } });
  });
  afterAll(async () => {
    await gateway.close();
    await vllm.close();
  });

  it('is refused for until the new one answers, and within 5 s of that served', async () => {
    const user = await gateway.register();
    const ask = (steps: object) => gateway.post(CHAT, user.key, chat(steps));
    expect((await ask({ tokens: 2 })).status).toBe(200);
    vllm.settings.hung = true;
    const waiting = ask({ tokens: 2 });
    await untilUpstreamIs('down', gateway);
    await vllm.close();
    expect((await waiting).status).toBe(502);
    await sleep(600);
    expect((await ask({})).status).toBe(503);
    vllm = await startSimulator({ port });
    expect(await untilServed(gateway, user)).toBeLessThan(5_000);
    await untilNothingOpen(gateway);
  });
});

describe('an engine that works', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      settings: SOON,
      simulator: {
        models: [
          { id: 'simulated-llm', maxModelLen: 32_768 },
          { id: 'deaf', maxModelLen: 32_768, script: { neverAnswer: true } },
          ...[404, 500, 503].map((status) => ({
            id: `says-${status}`,
            maxModelLen: 32_768,
            script: { status },
          })),
        ],
      },
    });
    user = await gateway.register();
  });
  beforeEach(() => gateway.simulator.journal.clear());
  afterAll(() => gateway.close());

  /** A generation that waits in vain, for as long as `during` takes; then its client leaves. */
  const whileWaiting = async (model: string, during: () => Promise<void>, at = gateway): Promise<void> => {
    const leaving = new AbortController();
    const waiting = fetch(at.url + CHAT, {
      method: 'POST',
      signal: leaving.signal,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${user.key}` },
      body: JSON.stringify(chat({ neverAnswer: true }, true, model)),
    }).catch(() => undefined);
    try {
      await during();
    } finally {
      leaving.abort();
      await waiting;
    }
    await untilNothingOpen(gateway);
  };
  const isServed = async () =>
    (await gateway.post(CHAT, user.key, chat({}, false, 'simulated-llm'))).status === 200;

  it('is asked nothing while it streams to anybody, nor while nobody waits', async () => {
    // Any one gap in which this process is not let run counts for half a second of silence at most.
    const settings = { ...SOON, UPSTREAM_PROBE_AFTER_MS: '1500' };
    const patient = await startGateway({ replicaOf: gateway, settings });
    const stream = async () => {
      const steps = { tokens: 30, tbtMs: 150 };
      await (await patient.post(CHAT, user.key, chat(steps, true, 'simulated-llm'))).text();
    };
    await whileWaiting('deaf', stream, patient);
    await sleep(2_500);
    await patient.close();
    expect(probes(gateway.simulator)).toEqual([]);
  });

  it('may take its time for a first token', async () => {
    const slow = gateway.post(CHAT, user.key, chat({ ttftMs: 3_500 }, false, 'simulated-llm'));
    await sleep(3_000);
    expect(await isServed()).toBe(true);
    expect((await slow).status).toBe(200);
    expect(probes(gateway.simulator).length).toBeGreaterThan(0);
  });

  it.each([404, 503])('may refuse the question with %i: nobody waits for that', async (status) => {
    await whileWaiting(`says-${status}`, async () => {
      // One that is not heard would be down by the time of the sixth question.
      while (probes(gateway.simulator).length < 6) await sleep(50);
      expect(await isServed()).toBe(true);
    });
  });

  it('is seen at work by its own numbers when the question waits in a long queue', async () => {
    await whileWaiting('deaf', async () => {
      const others = send(`${gateway.simulator.baseUrl}${CHAT}`, {
        json: chat({ tokens: 60, tbtMs: 100 }, true, 'simulated-llm'),
      });
      for (let second = 0; second < 5; second += 1) {
        await sleep(1_000);
        // It has a second to answer /health, also where the machine stands still for that long.
        if ((await readiness(gateway)).upstream !== 'up') await sleep(1_100);
        expect((await readiness(gateway)).upstream).toBe('up');
      }
      expect(probes(gateway.simulator).length).toBeGreaterThan(1);
      await others;
    });
  });

  it('does not when it lets everybody wait and fails at the question', async () => {
    await whileWaiting('says-500', () => untilUpstreamIs('down', gateway));
    expect((await gateway.post(CHAT, user.key, chat({}, false, 'simulated-llm'))).status).toBe(503);
  });
});
