import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';
import { call } from './support/stream-client';

const listOf = async (gateway: TestGateway, admin: TestUser, path: string) =>
  (await asAdmin(gateway, admin)(path)).body.data as Record<string, unknown>[];

/** What was seen is shown for 2 s. */
const later = () => new Promise((resolve) => setTimeout(resolve, 2_100));

describe('vLLM as administrators see it', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let bob: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      settings: { MODEL_ALIASES: 'fast=small,gone=away' },
      simulator: {
        models: [
          { id: 'large', maxModelLen: 131_072 },
          { id: 'small', maxModelLen: 4_096 },
        ],
      },
    });
    admin = await gateway.registerAdmin();
    bob = await gateway.register();
  });
  afterAll(() => gateway.close());

  it('where it is, whether it answers, which version, and how busy it is', async () => {
    expect(await listOf(gateway, admin, '/upstreams')).toEqual([
      {
        base_url: gateway.simulator.baseUrl,
        simulated: false,
        reachable: true,
        answering: true,
        checked_at: expect.stringMatching(/Z$/),
        version: expect.stringMatching(/^\d+\./),
        running_requests: 0,
        waiting_requests: 0,
      },
    ]);
    const body = {
      model: 'fast',
      messages: [{ role: 'user', content: 'SIM:{"tokens":80,"tbtMs":50}' }],
      stream: true,
    };
    const answer = call({ url: gateway.url, path: '/v1/chat/completions', credential: bob.key, body });
    await later();
    expect(await listOf(gateway, admin, '/upstreams')).toMatchObject([{ running_requests: 1 }]);
    await answer;
  });

  it('says that it is not reachable, and is asked once however many look', async () => {
    await later();
    gateway.simulator.settings.healthy = false;
    const asked = () => gateway.simulator.journal.entries.filter(({ path }) => path === '/health').length;
    const before = asked();
    const seen = await Promise.all([1, 2, 3, 4].map(() => listOf(gateway, admin, '/upstreams')));
    expect(seen.flat().map(({ reachable }) => reachable)).toEqual([false, false, false, false]);
    expect(asked() - before).toBe(1);
    gateway.simulator.settings.healthy = true;
  });

  it('models: the names of clients, what is behind them, and their limits', async () => {
    const upstreams = [gateway.simulator.baseUrl];
    const large = { served_name: 'large', context_length: 131_072, max_output_tokens: 16_384, upstreams };
    const small = { served_name: 'small', context_length: 4_096, max_output_tokens: 1_024, upstreams };
    expect(await listOf(gateway, admin, '/models')).toEqual([
      { id: 'fast', alias: true, ...small },
      { id: 'large', alias: false, ...large },
      { id: 'small', alias: false, ...small },
    ]);
  });

  it.each(['/admin/upstreams', '/admin/models'])('%s is for administrators alone', async (path) => {
    for (const [bearer, code] of [
      [bob.accessToken, 'forbidden'],
      [bob.key, 'session_required'],
      [admin.key, 'session_required'],
    ] as const) {
      const answer = await send(gateway.url + path, { bearer });
      expect([answer.status, answer.body.code]).toEqual([403, code]);
    }
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect([404, 405]).toContain(
        (await send(gateway.url + path, { method, bearer: admin.accessToken })).status,
      );
  });
});

describe('an upstream that is not as it should be', () => {
  let server: Server;
  let gateway: TestGateway;
  let admin: TestUser;
  const metrics = `# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a"} 3.0
vllm:num_requests_running{engine="1",model_name="a"} 4.0
vllm:num_requests_running_total{engine="1"} 99
vllm:num_requests_waiting{engine="0",model_name="a"} 5.0
`;
  let answers: Readonly<Record<string, string>>;

  beforeAll(async () => {
    server = createServer(({ url = '' }, response) => {
      const text = answers[url];
      response.writeHead(text === undefined ? 404 : 200).end(text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    gateway = await startGateway({
      settings: { VLLM_BASE_URL: `http://127.0.0.1:${port}/llm/v1` },
    });
    admin = await gateway.registerAdmin();
  });
  afterAll(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });

  it('is shown where it is, and its engines are added up', async () => {
    answers = { '/llm/health': '', '/llm/version': '{"version":"0.11.2"}', '/llm/metrics': metrics };
    const [state] = await listOf(gateway, admin, '/upstreams');
    expect(state?.base_url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/llm$/);
    expect(state).toMatchObject({
      reachable: true,
      version: '0.11.2',
      running_requests: 7,
      waiting_requests: 5,
    });
  });

  it.each<Readonly<Record<string, string>>>([
    { '/llm/health': '' },
    { '/llm/health': '', '/llm/version': 'null', '/llm/metrics': '' },
    {
      '/llm/health': '',
      '/llm/version': '{"version":7}',
      '/llm/metrics': metrics.replaceAll(' 4.0', ' many'),
    },
  ])('leaves out what it does not say: %j', async (given) => {
    await later();
    answers = given;
    expect(await listOf(gateway, admin, '/upstreams')).toMatchObject([
      { reachable: true, version: null, running_requests: null, waiting_requests: null },
    ]);
  });

  it('has no models as long as it has never told any', async () => {
    const answer = await asAdmin(gateway, admin)('/models');
    expect([answer.status, answer.body.code]).toEqual([502, 'upstream_unreachable']);
  });
});
