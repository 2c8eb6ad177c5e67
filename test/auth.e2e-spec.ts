import * as argon2 from 'argon2';
import { startGateway, TestGateway } from './support/gateway';
import { untilLocksAreAwaited } from './support/lock-waiters';
import { send, Sent } from './support/send';

const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] ?? 0;

describe('logging in', () => {
  let gateway: TestGateway;
  const token = (sent: Sent, at = gateway) => send(`${at.url}/auth/token`, sent);
  const from = (address: string) => ({ 'x-forwarded-for': address });

  beforeAll(async () => {
    gateway = await startGateway({ settings: { TRUST_PROXY: '1' } });
  });
  afterEach(() => gateway.dataSource.query('DELETE FROM login_throttles'));
  afterAll(() => gateway.close());

  it.each(['form', 'json'] as const)('answers the OAuth2 password grant as %s', async (kind) => {
    const ada = await gateway.register();
    const fields = { grant_type: 'password', username: ada.username, password: ada.password };
    const answer = await token({ [kind]: fields });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      access_token: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^llmr_/),
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('takes what OAuth2 clients send along, and a Basic header, without minding', async () => {
    const ada = await gateway.register();
    const form = { username: ada.username, password: ada.password, scope: '', client_id: 'docs' };
    expect((await token({ form, headers: { authorization: 'Basic ZG9jczo=' } })).status).toBe(200);
  });

  it('answers grant_type=refresh_token as /auth/refresh does', async () => {
    const ada = await gateway.register();
    const form = { grant_type: 'refresh_token', refresh_token: ada.refreshToken };
    expect((await token({ form })).status).toBe(200);
  });

  it.each([
    [{ username: 'ada' }, 'invalid_request'],
    [{ password: 'x' }, 'invalid_request'],
    [{ username: 'ada', password: { $ne: 1 } }, 'invalid_request'],
    [{ username: ['ada'], password: 'x' }, 'invalid_request'],
    [{ username: 'ada', password: 'x', role: 'admin' }, 'invalid_request'],
    [{ grant_type: 'refresh_token' }, 'invalid_request'],
    [{ grant_type: 'client_credentials' }, 'unsupported_grant_type'],
  ])('answers %j with 400 in the form of RFC 6749', async (json, error) => {
    const answer = await token({ json });
    expect([answer.status, answer.body.error]).toEqual([400, error]);
    expect(answer.body.error_description).toEqual(expect.any(String));
  });

  it('answers a repeated form field, other types and 17 KiB with 400, 415 and 413', async () => {
    const form = 'username=a&username=b&password=x';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await token({ json: form, headers })).status).toBe(400);
    expect((await token({ json: 'x', headers: { 'content-type': 'multipart/form-data' } })).status).toBe(415);
    expect((await token({ form: { username: 'a', password: 'x'.repeat(17 * 1_024) } })).status).toBe(413);
  });

  it('says the same for an unknown name, a wrong password and a disabled account', async () => {
    const [ada, bob] = [await gateway.register(), await gateway.register()];
    await gateway.dataSource.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [bob.id]);
    const answers = await Promise.all([
      token({ json: { username: 'nobody-here', password: ada.password } }),
      token({ json: { username: `'";--\u0000`, password: ada.password } }),
      token({ json: { username: ada.username, password: 'wrong' } }),
      token({ json: { username: bob.username, password: bob.password } }),
    ]);
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.text}`))).toEqual(
      new Set(['401 {"error":"invalid_grant","error_description":"The username or the password is wrong."}']),
    );
  });

  it('spends a password check on unknown names too', async () => {
    const ada = await gateway.register();
    const milliseconds = async (username: string) => {
      const started = performance.now();
      await token({ json: { username, password: 'wrong' }, headers: from(`192.0.2.${(host += 1)}`) });
      return performance.now() - started;
    };
    let host = 0;
    const [unknown, known]: [number[], number[]] = [[], []];
    for (let i = 0; i < 15; i += 1) {
      unknown.push(await milliseconds(`nobody-${i}`));
      known.push(await milliseconds(ada.username));
    }
    // Without the dummy hash the unknown name would answer in a fifth of the time.
    expect(median(unknown)).toBeGreaterThan(0.6 * median(known));
  });

  it('stops guessing after 10 failures from an address, but not the owner elsewhere', async () => {
    const ada = await gateway.register();
    const { username } = ada;
    const guess = (password: string, address: string) =>
      token({ json: { username, password }, headers: from(address) });
    for (let i = 0; i < 10; i += 1) expect((await guess('wrong', '192.0.2.1')).status).toBe(401);
    const blocked = await guess(ada.password, '192.0.2.1');
    expect([blocked.status, blocked.body.error]).toEqual([429, 'rate_limit_exceeded']);
    expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(Number(blocked.headers.get('retry-after'))).toBeLessThanOrEqual(900);
    expect((await guess(ada.password, '192.0.2.2')).status).toBe(200);
  });

  it('counts accounts that do not exist alike, over all replicas', async () => {
    const replica = await startGateway({ replicaOf: gateway });
    const guess = (at: TestGateway) => token({ json: { username: 'nobody-here', password: 'wrong' } }, at);
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 12; i += 1) statuses.push((await guess(i % 2 ? gateway : replica)).status);
      expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    } finally {
      await replica.close();
    }
  });

  it('counts guesses that race', async () => {
    const { username } = await gateway.register();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => token({ json: { username, password: 'wrong' } })),
    );
    expect(answers.filter((answer) => answer.status === 401)).toHaveLength(10);
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(20);
  });

  it('counts guesses that race from addresses of one /64, which are one address', async () => {
    const { username } = await gateway.register();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        token({ json: { username, password: 'wrong' }, headers: from(`2001:db8:1:2::${i + 1}`) }),
      ),
    );
    expect(answers.filter((answer) => answer.status === 401)).toHaveLength(10);
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(20);
  });

  it.each(['the right', 'a wrong'])(
    'tells nothing of %s password when the count is full by then',
    async (which) => {
      const ada = await gateway.register();
      const attempt = (password: string) => token({ json: { username: ada.username, password } });
      await attempt('wrong');
      const holder = gateway.dataSource.createQueryRunner();
      await holder.startTransaction();
      await holder.query('LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
      const answer = attempt(which === 'the right' ? ada.password : 'wrong');
      await untilLocksAreAwaited(gateway, 1);
      // As other replicas fill it meanwhile.
      await gateway.dataSource.query('UPDATE login_throttles SET failures = 10');
      await holder.commitTransaction();
      await holder.release();
      expect([(await answer).status, (await answer).headers.get('retry-after')]).toEqual([
        429,
        expect.stringMatching(/^(8\d\d|900)$/),
      ]);
      expect((await attempt(ada.password)).status).toBe(429);
    },
  );

  it('starts from zero after a right password, and lets 20 right ones race', async () => {
    const ada = await gateway.register();
    const attempt = (password: string) => token({ json: { username: ada.username, password } });
    for (let i = 0; i < 9; i += 1) await attempt('wrong');
    const answers = await Promise.all(Array.from({ length: 20 }, () => attempt(ada.password)));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    for (let i = 0; i < 9; i += 1) expect((await attempt('wrong')).status).toBe(401);
  });

  it('answers a flood of logins at once: those beyond the queue with 503, while streams go on', async () => {
    const ada = await gateway.register();
    const content = 'SIM:{"tokens":40,"tbtMs":20}';
    const body = { model: 'opencode-llm', stream: true, messages: [{ role: 'user', content }] };
    const streams = Promise.all(
      Array.from({ length: 10 }, async () =>
        (await gateway.post('/v1/chat/completions', ada.key, body)).text(),
      ),
    );
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        token({ json: { username: `nobody-${i}`, password: 'x' }, headers: from(`192.0.2.${i}`) }),
      ),
    );
    const of = (status: number) => answers.filter((answer) => answer.status === status);
    expect([of(401).length + of(503).length, of(401).length >= 34]).toEqual([200, true]);
    const busy = of(503).filter(({ body }) => body.error === 'busy');
    expect(new Set(busy.map(({ headers }) => headers.get('retry-after')))).toEqual(new Set(['2']));
    // All of them want a connection to PostgreSQL at once, for which some wait too long on a slow machine.
    expect(of(503).length - busy.length).toBeLessThan(20);
    expect((await streams).map((text) => text.endsWith('data: [DONE]\n\n'))).not.toContain(false);
    expect((await token({ json: { username: ada.username, password: ada.password } })).status).toBe(200);
  });

  it('stops one address from trying many accounts', async () => {
    await token({ json: { username: 'first', password: 'x' }, headers: from('192.0.2.9') });
    await gateway.dataSource.query('UPDATE login_throttles SET failures = 99 + failures');
    const next = await token({ json: { username: 'second', password: 'x' }, headers: from('192.0.2.9') });
    expect(next.status).toBe(429);
  });

  it.each(['192.0.2.77:', '[2001:db8::77]:'])(
    'counts %s as one address, whatever the port',
    async (client) => {
      const statuses: number[] = [];
      for (let port = 50_001; port <= 50_012; port += 1) {
        const json = { username: 'nobody-here', password: 'x' };
        statuses.push((await token({ json, headers: from(client + port) })).status);
      }
      expect(statuses.filter((status) => status === 429)).toHaveLength(2);
    },
  );

  it('counts guesses however a name is spelled, whichever route takes them, and whoever logs in between', async () => {
    const ada = await gateway.register('sigmaσ');
    const mine = await gateway.register();
    const headers = from('198.51.100.7');
    const at = (path: string, method: string, json: object, bearer?: string) =>
      send(gateway.url + path, { method, json, headers, bearer });
    const statuses: number[] = [];
    for (const username of ['sigmaσ', 'SIGMAΣ', 'ｓigmaσ', 'sigmaς', 'sigMaΣ', 'ſigmaσ']) {
      statuses.push((await at('/auth/token', 'POST', { username, password: 'x' })).status);
      // An account of one's own opens nothing but itself.
      const { username: own, password } = mine;
      expect((await at('/auth/token', 'POST', { username: own, password })).status).toBe(200);
    }
    const current_password = 'x';
    for (let i = 0; i < 3; i += 1) {
      const changed = { current_password, new_password: 'seven lamps by the harbour' };
      statuses.push((await at('/auth/password', 'POST', changed, ada.accessToken)).status);
      statuses.push((await at('/users/me', 'DELETE', { current_password }, ada.accessToken)).status);
    }
    const failed = [401, 401, 401, 401, 401, 401, 400, 400, 400, 400];
    expect(statuses).toEqual([...failed, 429, 429]);
  });

  it('counts whom its proxy names, not whom the client claims to be', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const json = { username: 'nobody-here', password: 'x' };
      statuses.push((await token({ json, headers: from(`198.51.100.${i}, 192.0.2.50`) })).status);
    }
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  });

  it('keeps the address of a client without its port, and none that is no address', async () => {
    const ada = await gateway.register();
    const keptFor = async (forwarded: string, at = gateway) => {
      const json = { username: ada.username, password: ada.password };
      expect((await token({ json, headers: from(forwarded) }, at)).status).toBe(200);
      const [row] = await gateway.dataSource.query<{ address: string }[]>(
        'SELECT address FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 1',
        [ada.id],
      );
      return row?.address;
    };
    expect(await keptFor('192.0.2.5:50001')).toBe('192.0.2.5');
    expect(await keptFor('evil<script>')).toBe('127.0.0.1');
    const chained = await startGateway({ replicaOf: gateway, settings: { TRUST_PROXY: 'loopback' } });
    try {
      expect(await keptFor('192.0.2.6:50001, 127.0.0.1:50002', chained)).toBe('192.0.2.6');
    } finally {
      await chained.close();
    }
  });

  it('believes no X-Forwarded-For unless TRUST_PROXY says so', async () => {
    const unproxied = await startGateway({ replicaOf: gateway });
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 12; i += 1) {
        const json = { username: 'nobody-there', password: 'x' };
        statuses.push((await token({ json, headers: from(`192.0.2.${i}`) }, unproxied)).status);
      }
      expect(statuses.filter((status) => status === 429)).toHaveLength(2);
    } finally {
      await unproxied.close();
    }
  });

  it('hashes again with today’s parameters when the stored hash is weaker', async () => {
    const ada = await gateway.register();
    const weak = await argon2.hash(ada.password, { memoryCost: 8_192, timeCost: 2, parallelism: 1 });
    await gateway.dataSource.query('UPDATE users SET password_hash = $2 WHERE id = $1', [ada.id, weak]);
    expect((await token({ json: { username: ada.username, password: ada.password } })).status).toBe(200);
    const [row] = await gateway.dataSource.query('SELECT password_hash FROM users WHERE id = $1', [ada.id]);
    expect(row.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await token({ json: { username: ada.username, password: ada.password } })).status).toBe(200);
  });
});
