import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw } from './support/raw-http';

const messages = [{ role: 'user', content: 'SIM:{"tokens":3}' }];
const body = { model: 'opencode-llm', max_tokens: 9, messages };

describe('the header request-id, which Anthropic SDKs read', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const idsAt = async (path: string, key: string, fields: object = {}) => {
    const answer = await gateway.post(path, key, { ...body, ...fields });
    await answer.text();
    return [answer.status, answer.headers.get('x-request-id'), answer.headers.get('request-id')];
  };

  it.each<[what: string, status: number, path: string, fields: object]>([
    ['a message', 200, '/v1/messages', {}],
    ['a stream, as Claude Code asks', 200, '/v1/messages?beta=true', { stream: true }],
    ['a count', 200, '/v1/messages/count_tokens', { max_tokens: undefined }],
    ['a refusal', 400, '/v1/messages', { max_tokens: 'many' }],
    ['a path that is not there', 404, '/v1/v1/messages', {}],
  ])('is that of x-request-id on %s', async (_, status, path, fields) => {
    const [got, id, again] = await idsAt(path, user.key, fields);
    expect([got, again]).toEqual([status, id]);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is there for strangers, and for what is no HTTP, too', async () => {
    const [status, id, again] = await idsAt('/v1/messages', 'llmk_none');
    expect([status, again]).toEqual([401, id]);
    const raw = await sendRaw(gateway.url, 'NONSENSE /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n', 1_000);
    const [, rawId] = /\r\nx-request-id: (\S+)/.exec(raw) ?? [];
    expect(rawId).toBeDefined();
    expect(raw).toContain(`\r\nrequest-id: ${rawId}\r\n`);
  });

  it.each(['/v1/chat/completions', '/v1/messagesses'])('is not there at %s', async (path) => {
    const [, id, again] = await idsAt(path, user.key);
    expect([typeof id, again]).toEqual(['string', null]);
  });
});
