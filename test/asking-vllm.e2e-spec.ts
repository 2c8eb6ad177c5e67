import { createServer, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const PIECE = Buffer.alloc(64 * 1_024, '1,');
const CARDS = ['served', 'refused', 'missing'].map((id) => ({ id, object: 'model', max_model_len: 32_768 }));
const MODELS = { object: 'list', data: CARDS };
const json =
  (value: object): Answer =>
  (response) =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
const CHAT = json({
  id: '1',
  object: 'chat.completion',
  model: 'served',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, total_tokens: 10, completion_tokens: 1 },
});
/** What the gateway takes of an answer before it goes, with what lies in buffers on the way: in bytes, at most. */
const MOST_TAKEN = 24 * 1_024 * 1_024;

async function listening(answer: Answer): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** What it asks for itself: models, counts, health. */
describe('a vLLM that the gateway asks', () => {
  let gateway: TestGateway;
  let upstream: Server;
  let elsewhere: { server: Server; url: string };
  let user: TestUser;
  let asked: string[] = [];
  let askedElsewhere: string[] = [];
  let answers: Record<string, Answer>;
  let given = 0;
  let left = Promise.resolve();

  /** Begins as a right answer would, and goes on as fast as it is read. */
  const endless: Answer = (response) => {
    left = new Promise((resolve) => response.once('close', resolve));
    response.setHeader('content-type', 'application/json').write('{"object":"list","count":1,"data":[');
    const more = () => {
      if (response.destroyed) return;
      given += PIECE.length;
      if (response.write(PIECE)) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  };
  /** Never silent for long. */
  const trickling: Answer = (response) => {
    response.setHeader('content-type', 'application/json').write('{"object":"list","data":[');
    const timer = setInterval(() => response.write('1,'), 20);
    left = new Promise((resolve) => response.once('close', resolve)).then(() => clearInterval(timer));
  };
  const away: Answer = (response, { url = '' }) =>
    void response.writeHead(307, { location: elsewhere.url + url }).end();

  beforeAll(async () => {
    elsewhere = await listening((response, request) => {
      askedElsewhere.push(request.url ?? '');
      json({ ...MODELS, count: 1 })(response, request);
    });
    const { server, url: baseUrl } = await listening((response, request) => {
      const { url = '' } = request;
      asked.push(url);
      (answers[url] ?? ((other) => void other.writeHead(404).end()))(response, request);
    });
    upstream = server;
    gateway = await startGateway({ settings: { VLLM_BASE_URL: baseUrl, DEFAULT_TOKEN_LIMIT: '1000000' } });
    user = await gateway.register();
  });
  afterAll(async () => {
    await gateway.close();
    for (const server of [upstream, elsewhere.server]) {
      server.closeAllConnections();
      server.close();
    }
  });
  beforeEach(() => {
    [asked, askedElsewhere, given] = [[], [], 0];
    answers = { '/v1/models': json(MODELS), '/v1/chat/completions': CHAT };
  });
  afterEach(() => jest.restoreAllMocks());

  const patienceOf = (ms: number) => {
    const { timeout } = AbortSignal;
    jest.spyOn(AbortSignal, 'timeout').mockImplementation(() => timeout.call(AbortSignal, ms));
  };
  const models = async () => (await gateway.get('/v1/models', user.key)).status;
  /** So near the window that only a count decides. */
  const generate = async (model = 'served') => {
    const content = 'x'.repeat(20_000);
    const answer = await gateway.post('/v1/chat/completions', user.key, {
      model,
      messages: [{ role: 'user', content }],
      max_tokens: 16_000,
    });
    const row = (await settledRows(gateway, user.id)).at(-1);
    return [answer.status, await answer.text(), row?.outcome, row?.prompt_tokens, row?.completion_tokens];
  };

  it.each([
    ['never ends', endless],
    ['only trickles in', trickling],
    ['is elsewhere', away],
  ])('and whose list of models %s serves nobody', async (_, answer) => {
    if (answer === trickling) patienceOf(400);
    answers['/v1/models'] = answer;
    expect(await models()).toBe(502);
    await left;
    expect([given < MOST_TAKEN, askedElsewhere]).toEqual([true, []]);
  });

  it.each([
    ['never ends', endless],
    ['only trickles in', trickling],
    ['is elsewhere', away],
  ])('and whose count %s is as good as one that cannot count', async (_, answer) => {
    expect(await models()).toBe(200);
    const without = await generate();
    expect(without[0]).toBe(200);
    if (answer === trickling) patienceOf(400);
    answers['/tokenize'] = answer;
    expect(await generate()).toEqual(without);
    await left;
    expect(asked).toContain('/tokenize');
    expect([given < MOST_TAKEN, askedElsewhere]).toEqual([true, []]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it.each([
    ['refused', 400, 0],
    ['missing', 404, 3],
  ])('and whose counts of two calls are %s (%d) counts them %d times more a second later', async (...how) => {
    const [model, status, times] = how;
    answers['/tokenize'] = (response) => void response.writeHead(status).end('{}');
    expect((await generate(model))[0]).toBe(200);
    await sleep(1_100);
    asked = [];
    expect((await generate(model))[0]).toBe(200);
    // Its prompt is once more beside that.
    expect(asked.filter((url) => url === '/tokenize')).toHaveLength(times + 1);
  });

  it('and that is elsewhere is not followed there with a prompt, or by anything else', async () => {
    const admin = await gateway.registerAdmin();
    answers['/v1/chat/completions'] = away;
    for (const path of ['/health', '/version', '/metrics']) answers[path] = away;
    expect((await generate())[0]).toBe(502);
    expect((await gateway.get('/admin/upstreams', admin.accessToken)).status).toBe(200);
    expect(asked).toEqual(
      expect.arrayContaining(['/v1/chat/completions', '/health', '/version', '/metrics']),
    );
    expect(askedElsewhere).toEqual([]);
  });
});
