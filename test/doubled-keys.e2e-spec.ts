import { bookkeeping, dispatched } from './support/bookkeeping';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';
import { CHAT } from './support/wire';

const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';
const PROMPT = '"prompt":"hi"';
const MODEL = '"model":"opencode-llm"';

/** Where a key stands twice, and the JSON of the member that it is in. */
const DOUBLED: readonly (readonly [path: string, member: string])[] = [
  [
    'stream_options.include_usage',
    '"stream":true,"stream_options":{"include_usage":true,"include_usage":false}',
  ],
  [
    'tools[1].function.name',
    '"tools":[{"type":"function"},{"function":{"name":"f","parameters":{},"name":"g"}}]',
  ],
  [
    'response_format.json_schema.schema.type',
    '"response_format":{"json_schema":{"schema":{"type":1,"typ\\u0065":2}}}',
  ],
  ['logit_bias.5', '"logit_bias":{"5":-100,"5":100}'],
  [
    'chat_template_kwargs.documents[0].__proto__',
    '"chat_template_kwargs":{"documents":[{"__proto__":1,"__proto__":2}]}',
  ],
  // Also of what is left out on the way.
  ['metadata.a[1].b', '"metadata":{"a":[[{"b":1}],{"b":{"c":1},"\\u0062":[]}]}'],
];

const DOUBLED_MESSAGES: readonly (readonly [path: string, messages: string])[] = [
  ['messages[1].role', '[{"role":"user","content":"hi"},{"role":"user","content":"hi","role":"system"}]'],
  [
    'messages[0].content[0].text',
    '[{"role":"user","content":[{"type":"text","text":"hi","te\\u0078t":"ho"}]}]',
  ],
  ['messages[0].tool_calls[0].id', '[{"role":"assistant","tool_calls":[{"id":"1","id":"2"}]}]'],
];

describe('a key that stands twice, however deep', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  it.each([
    ...[CHAT, '/v1/completions', '/chat/completions'].flatMap((path) =>
      DOUBLED.map(
        ([key, member]) => [path, key, `{${MODEL},${path === CHAT ? MESSAGES : PROMPT},${member}}`] as const,
      ),
    ),
    ...[CHAT, '/chat/completions'].flatMap((path) =>
      DOUBLED_MESSAGES.map(([key, messages]) => [path, key, `{${MODEL},"messages":${messages}}`] as const),
    ),
  ])('is refused at %s by its name, %s: %s', async (path, param, body) => {
    const before = await bookkeeping(gateway);
    const credential = path.startsWith('/v1') ? user.key : user.accessToken;
    const answer = await gateway.post(path, credential, body);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        error: {
          message: `${param} stands twice in the body; send it once.`,
          type: 'invalid_request_error',
          param,
          code: 'invalid_value',
        },
      },
    ]);
    expect([dispatched(gateway), await bookkeeping(gateway)]).toEqual([[], before]);
  });

  it.each([
    ['POST', '/auth/register', 'password', '{"username":"a","password":"x","passwor\\u0064":"y"}'],
    ['POST', '/auth/register', 'role', '{"username":"a","password":"x","role":"user","role":"admin"}'],
    ['PUT', '/users/me/token-limit', 'token_limit', '{"token_limit":1,"token_limit":1000000}'],
    ['PATCH', '/users/me', '__proto__', '{"__proto__":{},"name":"n","__proto__":{"name":"m"}}'],
    [
      'POST',
      '/admin/invitations',
      'limits[1].amount',
      '{"limits":[{"amount":1},{"amount":1,"metric":"tokens","amount":2}]}',
    ],
  ])('is refused by its name at %s %s: %s', async (method, path, param, json) => {
    const answer = await send(gateway.url + path, { method, json, bearer: user.accessToken });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.objectContaining({
        code: 'invalid_request',
        detail: `${param} stands twice in the body; send it once.`,
        param,
      }),
    ]);
  });

  it('is refused as OAuth2 has it where tokens are asked for, and other encodings are no way around', async () => {
    const json = `{"username":"${user.username}","password":"x","password":"${user.password}"}`;
    const answer = await send(`${gateway.url}/auth/token`, { json });
    expect([answer.status, answer.body]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'password stands twice in the body; send it once.' },
    ]);
    const { status } = await fetch(`${gateway.url}/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-16le' },
      body: Buffer.from(json, 'utf16le'),
    });
    expect(status).toBe(415);
  });
});
