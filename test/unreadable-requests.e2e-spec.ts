import { gzipSync } from 'node:zlib';
import { requestContext } from '../src/common/request-context';
import { RequestIntake } from '../src/proxy/request/request-intake';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw } from './support/raw-http';

const JSON_TYPE = { 'content-type': 'application/json' };
/** Short, so that it stands whole in what an error of V8 quotes. */
const CANARY = 'hunter2';

const NOT_JSON = 'The body is not valid JSON. Send one JSON object in UTF-8.';
const NO_OBJECT = 'The body must be a JSON object.';
const TOO_LARGE = 'The body is larger than the 16 KiB this route accepts.';
const CHARSET = 'The body has a charset or an encoding that is not accepted; send plain JSON in UTF-8.';
const CUT_OFF =
  'The request cannot be read: its body is cut off or not what its headers say, or its path is not valid.';
const PATH = 'The path is not valid: what follows a % in it stands for no character.';

describe('a request that nobody can read', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  async function post(path: string, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) {
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.accessToken}`, ...headers },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    const text = await answer.text();
    return { status: answer.status, text, body: JSON.parse(text) as Record<string, unknown> };
  }

  it.each([
    `{"username":"ada","password":${CANARY}}`,
    `{"password":"${CANARY}"`,
    `${CANARY}`,
    `{"password":"x"}${CANARY}`,
    `{'password':'${CANARY}'}`,
  ])('has its fault told in our words, which quote nothing of it: %s', async (json) => {
    for (const path of ['/auth/register', '/auth/password', '/users/me/api-keys']) {
      const { status, body, text } = await post(path, json);
      expect([status, body.code, body.detail]).toEqual([400, 'invalid_request', NOT_JSON]);
      expect(text).not.toContain(CANARY);
    }
    for (const path of ['/auth/token', '/auth/refresh']) {
      const { status, body } = await post(path, json);
      expect([status, body]).toEqual([400, { error: 'invalid_request', error_description: NOT_JSON }]);
    }
    for (const path of ['/v1/chat/completions', '/v1/chat/completions?x', '/chat/completions']) {
      const bearer = path.startsWith('/v1') ? user.key : user.accessToken;
      const { status, text } = await post(path, json, { ...JSON_TYPE, authorization: `Bearer ${bearer}` });
      expect([status, text.includes('"code":"invalid_json"')]).toEqual([400, true]);
      expect(text).not.toContain(CANARY);
    }
  });

  it.each(['null', `"${CANARY}"`, '[]', '7', 'true', `[{"password":"${CANARY}"}]`])(
    'is told that its body must be an object, where it is other JSON: %s',
    async (json) => {
      for (const path of ['/auth/register', '/users/me/api-keys']) {
        const { status, body, text } = await post(path, json);
        expect([status, body.code, body.detail]).toEqual([400, 'invalid_request', NO_OBJECT]);
        expect(text).not.toContain(CANARY);
      }
      const { status, body } = await post('/auth/token', json);
      expect([status, body]).toEqual([400, { error: 'invalid_request', error_description: NO_OBJECT }]);
    },
  );

  it('is told of a field that is not listed by its name', async () => {
    const { status, body } = await post('/users/me/api-keys', '{"name":"laptop","nmae":1}');
    const message = 'this route does not take nmae';
    expect([status, body.detail, body.errors]).toEqual([400, message, [{ field: 'nmae', message }]]);
  });

  it.each<[string, number, string, string, string | Buffer, Record<string, string>]>([
    ['too large', 413, 'body_too_large', TOO_LARGE, `{"name":"${'x'.repeat(17_000)}"}`, {}],
    [
      'in another charset',
      415,
      'unsupported_media_type',
      CHARSET,
      '{}',
      { 'content-type': 'application/json; charset=hunter2' },
    ],
    ['in an unknown encoding', 415, 'unsupported_media_type', CHARSET, '{}', { 'content-encoding': CANARY }],
    // Each of its letters would become the same sign: of two names one, and a password that others have, too.
    ['latin1', 400, 'invalid_request', NOT_JSON, Buffer.from('{"name":"m\xfcller"}', 'latin1'), {}],
    ['not what its encoding says', 400, 'invalid_request', CUT_OFF, '{}', { 'content-encoding': 'gzip' }],
    [
      'packed and no JSON',
      400,
      'invalid_request',
      NOT_JSON,
      gzipSync(`{"password":${CANARY}}`),
      { 'content-encoding': 'gzip' },
    ],
  ])('is refused for a body that is %s', async (_, status, code, detail, sent, headers) => {
    const { body, text, ...answer } = await post('/users/me/api-keys', sent, { ...JSON_TYPE, ...headers });
    expect([answer.status, body.code, body.detail]).toEqual([status, code, detail]);
    expect(text).not.toContain(CANARY);
  });

  it('is refused in the envelope of the path, whatever stands behind that', async () => {
    const head = 'host: here\r\ncontent-type: application/json\r\ntransfer-encoding: chunked';
    const answer = await sendRaw(gateway.url, `POST /auth/token?x=1 HTTP/1.1\r\n${head}\r\n\r\nno size\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toEqual({
      error: 'invalid_request',
      error_description: 'The request is not valid HTTP/1.1.',
    });
  });

  it('is told of its path and not of its size where a base URL ends in a slash', async () => {
    const { status } = await post('//v1/chat/completions', JSON.stringify({ text: 'x'.repeat(30_000) }));
    expect(status).toBe(404);
  });

  it('is refused for a path with a broken %, in the envelope of the path', async () => {
    const managed = await gateway.get(`/admin/users/%FF${CANARY}`, user.accessToken);
    expect([managed.status, await managed.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_request', detail: PATH }),
    ]);
    const model = await gateway.get(`/v1/models/%FF${CANARY}`, user.key);
    expect([model.status, await model.json()]).toEqual([
      400,
      { error: { message: PATH, type: 'invalid_request_error', param: null, code: 'invalid_request' } },
    ]);
  });

  it('is late: an hour after its arrival nobody would find its row', async () => {
    const intake = gateway.app.get(RequestIntake, { strict: false });
    const read = intake.read.bind(intake);
    const late = jest.spyOn(intake, 'read').mockImplementation((request, ...more) => {
      Object.assign(requestContext(request), { arrivedAt: performance.now() - 51 * 60_000 });
      return read(request, ...more);
    });
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 };
    const refused = await gateway.post('/v1/chat/completions', user.key, body);
    late.mockRestore();
    expect(refused.status).toBe(408);
    expect(((await refused.json()) as { error: object }).error).toMatchObject({ code: 'body_timeout' });
    expect((await gateway.post('/v1/chat/completions', user.key, body)).status).toBe(200);
  });
});
