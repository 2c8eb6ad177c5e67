import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { mintApiKey } from '../src/auth/api-keys/api-key-token';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const seconds = () => Math.floor(Date.now() / 1_000);

describe('access tokens', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let claims: Record<string, unknown>;

  const me = (token: string) => send(`${gateway.url}/users/me`, { bearer: token });
  const hmac = (algorithm: string, secret: string | undefined) => (signed: string) =>
    createHmac(algorithm, secret ?? '')
      .update(signed)
      .digest();
  const forge = (header: object, payload: object, signer: (signed: string) => Buffer) => {
    const signed = `${encode(header)}.${encode(payload)}`;
    return `${signed}.${signer(signed).toString('base64url')}`;
  };
  const HEADER = { alg: 'HS256', typ: 'at+jwt' };
  /** A token made with the right secret, as only the gateway can. */
  const made = (changes: Record<string, unknown>, header: object = HEADER) =>
    forge(header, { ...claims, ...changes }, hmac('sha256', gateway.env.JWT_SECRET));

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
    claims = JSON.parse(Buffer.from(ada.accessToken.split('.')[1] ?? '', 'base64url').toString());
  });
  afterAll(() => gateway.close());

  it('name issuer, audience, user, session and an expiry of at most 15 minutes, and nothing else', () => {
    expect(claims).toEqual({
      iss: 'llm-user-management-api',
      aud: 'management',
      sub: ada.id,
      sid: expect.any(String),
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: Number(claims.iat) + 900,
    });
    const header: unknown = JSON.parse(
      Buffer.from(ada.accessToken.split('.')[0] ?? '', 'base64url').toString(),
    );
    expect(header).toEqual(HEADER);
  });

  it('are taken as they are made, which the cases below build on', async () => {
    expect((await me(made({}))).status).toBe(200);
    expect(
      (await send(`${gateway.url}/users/me`, { headers: { authorization: `bearer ${made({})}` } })).status,
    ).toBe(200);
  });

  it.each(['none', 'None', 'NONE', 'nOnE'])('are refused unsigned with alg %s', async (alg) => {
    const unsigned = forge({ alg, typ: 'at+jwt' }, claims, () => Buffer.alloc(0));
    expect((await me(unsigned)).status).toBe(401);
    expect((await me(unsigned.slice(0, -1))).status).toBe(401);
  });

  it('are refused with any algorithm but HS256, even with the right secret', async () => {
    const { JWT_SECRET } = gateway.env;
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const ed25519 = generateKeyPairSync('ed25519');
    const tokens = [
      made({}, { ...HEADER, alg: 'RS256' }),
      forge({ ...HEADER, alg: 'RS256' }, claims, (signed) => sign('sha256', Buffer.from(signed), privateKey)),
      forge(HEADER, claims, hmac('sha256', pem)),
      forge({ ...HEADER, alg: 'HS384' }, claims, hmac('sha384', JWT_SECRET)),
      forge({ ...HEADER, alg: 'HS512' }, claims, hmac('sha512', JWT_SECRET)),
      forge({ ...HEADER, alg: 'EdDSA' }, claims, (signed) =>
        sign(null, Buffer.from(signed), ed25519.privateKey),
      ),
    ];
    for (const token of tokens) expect((await me(token)).status).toBe(401);
  });

  it('are refused when expired, not yet valid, from the future or without expiry', async () => {
    const now = seconds();
    expect((await me(made({ iat: now - 900, exp: now - 1 }))).status).toBe(401);
    expect((await me(made({ nbf: now + 600 }))).status).toBe(401);
    expect((await me(made({ iat: now + 600, exp: now + 1_200 }))).status).toBe(401);
    expect((await me(made({ exp: undefined }))).status).toBe(401);
    expect((await me(made({ exp: 'tomorrow' }))).status).toBe(401);
  });

  it('say how to go on when they have expired', async () => {
    const { body, headers } = await me(made({ exp: seconds() - 1 }));
    expect(body.detail).toContain('/auth/refresh');
    expect(headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  });

  it.each([
    { iss: 'somebody-else' },
    { iss: undefined },
    { aud: 'v1' },
    { aud: undefined },
    { sub: undefined },
    { sub: 'ada' },
    { sid: undefined },
    { sid: 'x' },
    { sub: randomUUID() },
    { sid: randomUUID() },
  ])('are refused with %j', async (changes) => {
    expect((await me(made(changes))).status).toBe(401);
  });

  it.each(['JWT', 'refresh', undefined, 5])('are refused with typ %s', async (typ) => {
    expect((await me(made({}, { alg: 'HS256', typ }))).status).toBe(401);
  });

  it('do not work in the name of another user', async () => {
    const bob = await gateway.register();
    expect((await me(made({ sub: bob.id }))).status).toBe(401);
  });

  it('stay with their user when many are checked at once', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => gateway.register()));
    const callers = Array.from({ length: 100 }, (_, i) => users[i % users.length] as TestUser);
    const answers = await Promise.all(callers.map((user) => me(user.accessToken)));
    expect(answers.map((answer) => answer.body.id)).toEqual(callers.map((user) => user.id));
  });

  it('bring no key of their own', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const jwk = publicKey.export({ format: 'jwk' });
    const header = { ...HEADER, alg: 'RS256', jwk, jku: `${gateway.url}/jwks`, kid: '../../dev/null' };
    const token = forge(header, claims, (signed) => sign('sha256', Buffer.from(signed), privateKey));
    expect((await me(token)).status).toBe(401);
  });

  it('are refused with any bit of payload or signature changed, or cut off', async () => {
    const [header, payload, signature] = ada.accessToken.split('.') as [string, string, string];
    const flipped = (part: string, bit: number) => {
      const bytes = Buffer.from(part, 'base64url');
      bytes[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
      return bytes.toString('base64url');
    };
    const tokens = [
      ...Array.from({ length: 200 }, (_, i) => `${header}.${flipped(payload, 7 * i)}.${signature}`),
      ...Array.from({ length: 32 }, (_, i) => `${header}.${payload}.${flipped(signature, 8 * i)}`),
      `${header}.${payload}.${signature.slice(0, -2)}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
    ];
    const answers = await Promise.all(tokens.map(me));
    expect(answers.filter((answer) => answer.status !== 401)).toEqual([]);
  });

  it('are not taken on /v1, which says what it takes', async () => {
    const { status, body } = await send(`${gateway.url}/v1/models`, { bearer: ada.accessToken });
    expect(status).toBe(401);
    expect(body).toMatchObject({
      error: { message: expect.stringContaining('API key'), code: 'invalid_api_key' },
    });
  });

  it('get 503, never 401 and never a pass, while the database does not answer', async () => {
    await gateway.dataSource.query('ALTER TABLE sessions RENAME TO sessions_away');
    try {
      const answer = await me(ada.accessToken);
      expect([answer.status, answer.body.code]).toEqual([503, 'database_unavailable']);
      expect(answer.headers.get('retry-after')).toBe('2');
      expect(answer.text).not.toMatch(/sessions_away|relation|SELECT/);
    } finally {
      await gateway.dataSource.query('ALTER TABLE sessions_away RENAME TO sessions');
    }
    expect((await me(ada.accessToken)).status).toBe(200);
  });

  it('and keys are nobody’s while the database does not answer: 401 or 503, and vLLM hears of none', async () => {
    const tables = ['sessions', 'api_keys', 'users'];
    for (const table of tables)
      await gateway.dataSource.query(`ALTER TABLE ${table} RENAME TO ${table}_away`);
    try {
      const bearers = [
        'x'.repeat(40),
        'llmk_',
        mintApiKey(),
        made({ sid: randomUUID() }),
        made({ sub: randomUUID() }),
        made({ exp: seconds() - 1 }),
        ada.accessToken,
        ada.refreshToken,
        '',
      ];
      const json = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }] };
      for (const bearer of bearers) {
        for (const path of ['/users/me', '/chat/completions', '/v1/chat/completions', '/v1/models']) {
          const generates = path.endsWith('completions');
          const { status } = await send(gateway.url + path, { bearer, ...(generates ? { json } : {}) });
          expect([bearer, path, status]).toEqual([bearer, path, status === 503 ? 503 : 401]);
        }
      }
      expect(gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions'))).toEqual(
        [],
      );
    } finally {
      for (const table of tables)
        await gateway.dataSource.query(`ALTER TABLE ${table}_away RENAME TO ${table}`);
    }
  });
});
