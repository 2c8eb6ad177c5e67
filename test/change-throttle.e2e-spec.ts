import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send, Sent } from './support/send';

const MOST = 5;
const NOBODYS_ID = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';

describe('changes of one account', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  /** A change that is none, and yet counts as one: anybody may send it for ever. */
  const change = (bearer: string, sent: Sent = {}, url = gateway.url) =>
    send(`${url}/users/me`, { method: 'PATCH', bearer, json: {}, ...sent });
  const logIn = ({ username, password }: TestUser, url = gateway.url) =>
    send(`${url}/auth/token`, { json: { username, password } });
  const statuses = (answers: Answer[]) => answers.map(({ status }) => status).toSorted();
  const times = async (count: number, work: () => Promise<Answer>) => {
    const answers: Answer[] = [];
    for (let n = 0; n < count; n += 1) answers.push(await work());
    return answers;
  };
  const spend = (user: TestUser) => times(MOST, () => change(user.accessToken));

  beforeAll(async () => {
    gateway = await startGateway({
      settings: { CHANGES_PER_MINUTE: String(MOST), TRUST_PROXY: 'true' },
    });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    await gateway.dataSource.query('DELETE FROM login_throttles');
    ada = await gateway.register();
    await gateway.dataSource.query('DELETE FROM login_throttles');
  });

  it('end with a 429 that says in whole seconds when to go on, and does nothing', async () => {
    expect(statuses(await spend(ada))).toEqual([200, 200, 200, 200, 200]);
    const keys = () => send(`${gateway.url}/users/me/api-keys`, { bearer: ada.accessToken });
    const before = (await keys()).text;
    for (const [method, path] of [
      ['POST', '/users/me/api-keys'],
      ['DELETE', `/auth/sessions/${NOBODYS_ID}`],
      ['PUT', '/users/me/token-limit'],
      ['PATCH', `/users/me/api-keys/${NOBODYS_ID}`],
      ['POST', '/auth/logout'],
    ] as const) {
      const answer = await send(gateway.url + path, { method, bearer: ada.accessToken, json: { name: 'n' } });
      expect([path, answer.status, answer.body.code]).toEqual([path, 429, 'rate_limit_exceeded']);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      const wait = answer.headers.get('retry-after') ?? '';
      expect(wait).toMatch(/^\d+$/);
      expect([Number(wait) >= 1, Number(wait) <= 60]).toEqual([true, true]);
      expect(answer.body.detail).not.toMatch(/\d/);
    }
    expect((await keys()).text).toBe(before);
  });

  it('go on when the minute is over', async () => {
    await spend(ada);
    expect((await change(ada.accessToken)).status).toBe(429);
    await gateway.dataSource.query(`UPDATE login_throttles SET window_start = now() - interval '50 seconds'`);
    expect((await change(ada.accessToken)).headers.get('retry-after')).toMatch(/^([5-9]|10)$/);
    await gateway.dataSource.query(`UPDATE login_throttles SET window_start = now() - interval '1 minute'`);
    expect(statuses(await spend(ada))).toEqual([200, 200, 200, 200, 200]);
    expect((await change(ada.accessToken)).status).toBe(429);
  });

  it('are counted by the account: not by its sessions, replicas, addresses or methods', async () => {
    const replica = await startGateway({
      replicaOf: gateway,
      settings: { CHANGES_PER_MINUTE: String(MOST) },
    });
    try {
      const others = await Promise.all([logIn(ada), logIn(ada, replica.url)]);
      const sessions = [ada.accessToken, ...others.map(({ body }) => String(body.access_token))];
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, n) => {
          const headers = { 'x-forwarded-for': `198.51.100.${n}`, 'user-agent': `agent ${n}` };
          const bearer = sessions[n % 3] as string;
          return change(bearer, { headers }, n % 2 ? gateway.url : replica.url);
        }),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(MOST);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(30 - MOST);
    } finally {
      await replica.close();
    }
  });

  it('are counted however the request is dressed up', async () => {
    await spend(ada);
    const { accessToken: bearer } = ada;
    for (const [path, method, headers] of [
      ['/users/me/', 'PATCH', {}],
      ['/USERS/ME', 'PATCH', {}],
      ['/users/me?x=1', 'PATCH', {}],
      ['/users/me/api-keys', 'POST', { 'x-http-method-override': 'GET', 'x-method-override': 'GET' }],
      ['/users/me/api-keys', 'POST', { 'x-original-url': '/v1/chat/completions', 'x-real-ip': '192.0.2.1' }],
    ] as const) {
      const answer = await send(gateway.url + path, { method, bearer, headers, json: { name: 'n' } });
      expect([path, answer.status]).toEqual([path, 429]);
    }
    const tampered = await change(bearer, { headers: { 'x-api-key': ada.key } });
    expect([tampered.status, tampered.body.code]).toEqual([400, 'ambiguous_credentials']);
  });

  it('are not those of others, and an administrator has ten times as many', async () => {
    const bob = await gateway.register();
    const admin = await gateway.registerAdmin();
    await spend(ada);
    expect((await change(bob.accessToken)).status).toBe(200);
    const asked = asAdmin(gateway, admin);
    const made = await times(10 * MOST, () => asked('/invitations', { json: {} }));
    expect(new Set(statuses(made))).toEqual(new Set([201]));
    const refused = await asked('/invitations', { json: {} });
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limit_exceeded']);
  });

  it('are not spent by whoever holds a key of the account, or may not do what was asked', async () => {
    await times(2 * MOST, () => change(ada.key));
    await times(2 * MOST, () => change(`${ada.accessToken}x`));
    const forbidden = await times(2 * MOST, () =>
      send(`${gateway.url}/admin/invitations`, { bearer: ada.accessToken, json: {} }),
    );
    expect(new Set(statuses(forbidden))).toEqual(new Set([403]));
    expect((await change(ada.accessToken)).status).toBe(200);
  });

  it('leave reading and generating alone, which are not counted', async () => {
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 2 };
    const generate = () =>
      Promise.all([
        send(`${gateway.url}/v1/chat/completions`, { bearer: ada.key, json: body }),
        send(`${gateway.url}/chat/completions`, { bearer: ada.accessToken, json: body }),
        send(`${gateway.url}/chat/completions?by=express`, { bearer: ada.accessToken, json: body }),
        send(`${gateway.url}/users/usage`, { bearer: ada.accessToken }),
      ]);
    for (let n = 0; n < 2 * MOST; n += 1) expect(statuses(await generate())).toEqual([200, 200, 200, 200]);
    expect(await gateway.dataSource.query('SELECT FROM login_throttles')).toEqual([]);
    await spend(ada);
    expect((await change(ada.accessToken)).status).toBe(429);
    expect(statuses(await generate())).toEqual([200, 200, 200, 200]);
  });

  it('that a stolen session makes do not keep its owner from ending it with the password', async () => {
    const changed = { current_password: ada.password, new_password: 'a quiet lantern burns on' };
    const asked = (bearer: string, json: object) =>
      send(`${gateway.url}/auth/password`, { method: 'POST', bearer, json });
    // The thief has no password: what he guesses counts as failed logins from his address.
    const thief = { 'x-forwarded-for': '203.0.113.9' };
    await times(2 * MOST, () => change(ada.accessToken, { headers: thief }));
    const guesses = await times(2 * MOST, () =>
      send(`${gateway.url}/auth/password`, {
        method: 'POST',
        bearer: ada.accessToken,
        headers: thief,
        json: { ...changed, current_password: 'x' },
      }),
    );
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([400]));
    const session = await logIn(ada);
    expect(session.status).toBe(200);
    expect((await asked(String(session.body.access_token), changed)).status).toBe(204);
    expect((await send(`${gateway.url}/users/me`, { bearer: ada.accessToken })).status).toBe(401);
  });

  it('include logins, which make sessions: with the right password, and from wherever', async () => {
    let n = 0;
    const answers = await times(MOST + 1, () =>
      send(`${gateway.url}/auth/token`, {
        json: { username: ada.username, password: ada.password },
        headers: { 'x-forwarded-for': `198.51.100.${(n += 1)}` },
      }),
    );
    expect(statuses(answers)).toEqual([...Array.from({ length: MOST }, () => 200), 429]);
    const last = answers.at(-1);
    expect(last?.body).toMatchObject({ error: 'rate_limit_exceeded', error_description: expect.any(String) });
    expect(last?.headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|60)$/);
    expect((await change(ada.accessToken)).status).toBe(200);
  });

  it('have no end with CHANGES_PER_MINUTE=0', async () => {
    const free = await startGateway({ replicaOf: gateway, settings: { CHANGES_PER_MINUTE: '0' } });
    try {
      await spend(ada);
      const answers = await times(2 * MOST, () => change(ada.accessToken, {}, free.url));
      expect(new Set(statuses(answers))).toEqual(new Set([200]));
    } finally {
      await free.close();
    }
  });
});
