import { startGateway, TestGateway } from './support/gateway';
import { send } from './support/send';

const OPENAI = "OpenAI's clients take the one that ends in /v1, with no slash behind.";
const ANTHROPIC = "Anthropic's clients take the one without /v1, and with no slash at its end.";

describe('a path that is not there', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  const failureAt = async (method: string, path: string) => {
    const answer = await send(gateway.url + path, { method });
    expect([path, answer.status]).toEqual([path, 404]);
    return answer;
  };
  const messageAt = async (method: string, path: string) =>
    ((await failureAt(method, path)).body as { error: { message: string } }).error.message;

  it.each([
    ['POST', '/v1/foo'],
    ['GET', '/v1'],
    ['DELETE', '/v1/files/'],
    ['POST', '/v1/messages/batches'],
  ])('under /v1 is told what there is: %s %s', async (method, path) => {
    const message = await messageAt(method, path);
    expect(message.startsWith(`There is no ${method} ${path} here. What there is: `)).toBe(true);
    for (const route of [
      'POST /v1/chat/completions',
      'POST /v1/responses',
      'POST /v1/messages/count_tokens',
      'GET /v1/models',
      'GET /v1/models/{id}',
    ])
      expect(message).toMatch(new RegExp(` ${route}[,.]`.replace(/[{}]/g, '\\$&')));
    expect(message).not.toMatch(/admin|auth/);
  });

  it.each([
    ['POST', '/completions', '/v1/completions', OPENAI],
    ['GET', '/models', '/v1/models', OPENAI],
    ['GET', '/models/Qwen/Qwen3-8B', '/v1/models/{id}', OPENAI],
    ['POST', '/responses', '/v1/responses', OPENAI],
    ['POST', '/v1/v1/chat/completions', '/v1/chat/completions', OPENAI],
    ['POST', '//v1/chat/completions', '/v1/chat/completions', OPENAI],
    ['GET', '/v1//models', '/v1/models', OPENAI],
    ['POST', '/v1/chat/completions/chat/completions', '/v1/chat/completions', OPENAI],
    ['POST', '/messages', '/v1/messages', ANTHROPIC],
    ['POST', '/v1/v1/messages', '/v1/messages', ANTHROPIC],
    ['POST', '//v1/messages/count_tokens', '/v1/messages/count_tokens', ANTHROPIC],
    ['POST', '/v1/messages/v1/messages', '/v1/messages', ANTHROPIC],
  ])('but for a slip is told where it is: %s %s', async (method, path, right, help) => {
    const { headers, body } = await failureAt(method, path);
    const message = `There is no ${method} ${path} here. It is ${right}: correct the base URL of your client. ${help}`;
    expect(headers.get('content-type')).toBe('application/json');
    expect(body).toEqual(
      help === ANTHROPIC
        ? { type: 'error', error: { type: 'not_found_error', message } }
        : { error: { message, type: 'invalid_request_error', param: null, code: 'not_found' } },
    );
  });

  it('is said again only as far as it is short, plain, and no secret', async () => {
    const key = `llmk_${'a'.repeat(49)}`;
    expect(await messageAt('GET', `/v1/${key}/<b>/%0A/x`)).toMatch(
      /^There is no GET \/v1\/…\/…\/…\/x here\. /,
    );
    const long = await messageAt('GET', `/v1${'/ab'.repeat(4_000)}`);
    expect(long).toMatch(/^There is no GET \/v1(\/ab){5}\/… here\. /);
    expect(long.length).toBeLessThan(1_000);
  });

  it('of another place is told nothing more', async () => {
    for (const path of ['/nowhere', '/admin/nowhere', '/admin/foo/models', '/v2/models'])
      expect((await failureAt('GET', path)).body).toMatchObject({
        code: 'not_found',
        detail: 'There is no such route.',
      });
  });
});
