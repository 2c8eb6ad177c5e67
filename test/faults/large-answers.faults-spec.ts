import { createServer, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows } from '../support/ledger';

const MIB = 1_024 * 1_024;
/** More than the gateway holds of one answer. */
const PIECES = 130;
const FILLING = Buffer.alloc(MIB, 'x');
const HEAD = '{"id":"1","object":"text_completion","model":"served","choices":[{"index":0,"text":"';
const USAGE = '"usage":{"prompt_tokens":7,"total_tokens":4007,"completion_tokens":4000}';

/** As of hundreds of prompts with twenty logprobs for each of their tokens. */
describe('an answer that is larger than can be held', () => {
  let gateway: TestGateway;
  let upstream: Server;
  let user: TestUser;
  let answer: (response: ServerResponse) => Promise<void>;

  beforeAll(async () => {
    upstream = createServer((request, response) => {
      request.resume().on('end', () => {
        if (request.url === '/v1/models') {
          const model = { id: 'served', object: 'model', max_model_len: 32_768 };
          return response
            .setHeader('content-type', 'application/json')
            .end(JSON.stringify({ object: 'list', data: [model] }));
        }
        if (!request.url?.endsWith('/completions')) return response.writeHead(404).end();
        return void answer(response.setHeader('content-type', 'application/json'));
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    gateway = await startGateway({
      settings: {
        VLLM_BASE_URL: `http://127.0.0.1:${port}`,
        DEFAULT_TOKEN_LIMIT: '1000000',
        UPSTREAM_IDLE_TIMEOUT_MS: '5000',
      },
    });
  });
  afterAll(async () => {
    await gateway.close();
    upstream.closeAllConnections();
    upstream.close();
  });
  beforeEach(async () => {
    user = await gateway.register();
  });

  async function fill(response: ServerResponse): Promise<void> {
    for (let piece = 0; piece < PIECES; piece += 1) {
      if (!response.write(FILLING)) await new Promise((resolve) => response.once('drain', resolve));
    }
  }
  const ask = (max_tokens = 4_000) =>
    gateway.post('/v1/completions', user.key, { model: 'served', prompt: 'one two three four', max_tokens });

  it.each([
    ['at its end', `${HEAD}`, `"}],${USAGE}}`],
    ['before what is so large', `{"id":"1",${USAGE},"prompt_logprobs":[{"text":"`, '"}]}'],
  ])('is a 502 that no client repeats, and is billed by its usage %s', async (_, head, end) => {
    answer = async (response) => {
      response.write(head);
      await fill(response);
      // In two pieces.
      response.write(end.slice(0, 20));
      setTimeout(() => response.end(end.slice(20)), 100);
    };
    const failed = await ask();
    expect([failed.status, failed.headers.get('x-should-retry')]).toEqual([502, 'false']);
    expect(await failed.json()).toMatchObject({ error: { code: 'answer_too_large' } });
    expect(await settledRows(gateway, user.id)).toMatchObject([
      { outcome: 'upstream_error', source: 'exact', status: 502, prompt_tokens: 7, completion_tokens: 4_000 },
    ]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it.each([
    ['without usage', (response: ServerResponse) => response.end('"}]}')],
    ['that breaks off', (response: ServerResponse) => response.destroy()],
    ['that falls silent', () => undefined],
  ])('%s is billed by its prompt, and never nothing', async (_, ends) => {
    answer = async (response) => {
      response.write(HEAD);
      await fill(response);
      ends(response);
    };
    expect([502, 504]).toContain((await ask()).status);
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'upstream_error', source: 'estimated', completion_tokens: 0 });
    expect(row?.prompt_tokens).toBeGreaterThan(0);
  });

  it('costs nothing when it is an error of vLLM', async () => {
    answer = async (response) => {
      response.writeHead(500);
      await fill(response);
      response.end();
    };
    expect((await ask()).status).toBe(502);
    expect(await settledRows(gateway, user.id)).toMatchObject([{ prompt_tokens: 0, completion_tokens: 0 }]);
  });
});
