import { asAdmin } from '../support/administration';
import { makeKey } from '../support/api-keys';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { Answer, send } from '../support/send';

/** How long a credential that has ended may still be taken, on any replica. Milliseconds. */
const PROMISED_MS = 5_000;
/** As many failed logins as one address has for one account. */
const FAILURES = 10;
const PASSWORD = 'correct horse battery staple';

/** What one replica decides holds on the others; they share nothing but the database. */
describe('three replicas', () => {
  let replicas: readonly [TestGateway, TestGateway, TestGateway];
  let first: TestGateway;
  let admin: TestUser;
  const at = (index: number) => (replicas[index % 3] as TestGateway).url;
  const statusesOf = (path: string, bearer: string): Promise<number[]> =>
    Promise.all(replicas.map(async ({ url }) => (await send(url + path, { bearer })).status));
  const logIn = (user: TestUser, index = 0) =>
    send(`${at(index)}/auth/token`, { json: { username: user.username, password: user.password } });

  beforeAll(async () => {
    first = await startGateway();
    replicas = [first, await startGateway({ replicaOf: first }), await startGateway({ replicaOf: first })];
    admin = await first.registerAdmin();
  });
  afterAll(async () => {
    for (const replica of replicas.toReversed()) await replica.close();
  });

  it('leave exactly one live refresh token of 20 parallel refreshes, 50 times, and nobody logged out', async () => {
    const ada = await first.register();
    let current: unknown = ada.refreshToken;
    let answers: Answer[] = [];
    for (let round = 0; round < 50; round += 1) {
      answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          send(`${at(i + round)}/auth/refresh`, { json: { refresh_token: current } }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
      const tokens = new Set(answers.map(({ body }) => body.refresh_token));
      expect(tokens.size).toBe(1);
      [current] = tokens;
    }
    for (const { body } of answers)
      expect(await statusesOf('/users/me', String(body.access_token))).toEqual([200, 200, 200]);
    const sessions = await first.dataSource.query(
      'SELECT generation, revoked_at FROM sessions WHERE user_id = $1',
      [ada.id],
    );
    expect(sessions).toEqual([{ generation: 50, revoked_at: null }]);
    expect((await send(`${at(1)}/auth/refresh`, { json: { refresh_token: current } })).status).toBe(200);
  });

  it.each(['ada@example.com', 'ada'])(
    'give the name %s to one of 50 who ask for it at once',
    async (username) => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          send(`${at(i)}/auth/register`, { json: { username, password: PASSWORD } }),
        ),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 409)]);
    },
  );

  it('check exactly 10 of the guesses that come to all of them at once, whatever they say they are forwarded for', async () => {
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 4 * FAILURES }, (_, i) =>
          send(`${at(i)}/auth/token`, {
            json: { username: `nobody-here-${round}`, password: 'wrong' },
            headers: { 'x-forwarded-for': `192.0.2.${i}`, forwarded: `for=192.0.2.${i}` },
          }),
        ),
      );
      await first.dataSource.query('DELETE FROM login_throttles');
      const refused = answers.filter(({ status }) => status === 429);
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(FAILURES);
      expect(refused).toHaveLength(3 * FAILURES);
      for (const { headers } of refused) expect(headers.get('retry-after')).toMatch(/^(8\d\d|900)$/);
    }
  });

  it('take nothing of a session that a logout, a new password or another role has ended, and keep the keys', async () => {
    const ended: [way: string, end: (user: TestUser) => Promise<Answer>, own: number][] = [
      ['logout', (user) => send(`${at(0)}/auth/logout`, { method: 'POST', bearer: user.accessToken }), 401],
      [
        'password',
        (user) =>
          send(`${at(0)}/auth/password`, {
            bearer: user.accessToken,
            json: { current_password: user.password, new_password: PASSWORD },
          }),
        200,
      ],
      [
        'role',
        (user) => asAdmin(first, admin)(`/users/${user.id}`, { method: 'PATCH', json: { role: 'admin' } }),
        401,
      ],
    ];
    for (const [way, end, own] of ended) {
      const user = await first.register();
      const other = (await logIn(user, 1)).body;
      for (const token of [user.accessToken, String(other.access_token)])
        expect(await statusesOf('/users/me', token)).toEqual([200, 200, 200]);
      expect((await end(user)).status).toBeLessThan(300);
      // A logout ends the session it is asked with, a new password all others, another role all.
      const others = way === 'logout' ? 200 : 401;
      expect([way, await statusesOf('/users/me', user.accessToken)]).toEqual([way, [own, own, own]]);
      expect([way, await statusesOf('/users/me', String(other.access_token))]).toEqual([
        way,
        [others, others, others],
      ]);
      for (const [token, status] of [
        [user.refreshToken, own],
        [other.refresh_token, others],
      ] as const) {
        const refreshed = await send(`${at(2)}/auth/refresh`, { json: { refresh_token: token } });
        expect([way, refreshed.status]).toEqual([way, status]);
      }
      expect([way, await statusesOf('/v1/models', user.key)]).toEqual([way, [200, 200, 200]]);
    }
  });

  it('refuse within 5 s a key that is revoked, and all of a user who is disabled or deleted, an admin’s too', async () => {
    const request = asAdmin(first, admin);
    const [ada, bob, carol, chief] = await Promise.all([
      first.register(),
      first.register(),
      first.register(),
      first.registerAdmin(),
    ]);
    const [adas, chiefs] = [await makeKey(first, ada), await makeKey(first, chief)];
    const revoke = (user: TestUser, id: string) =>
      send(`${first.url}/users/me/api-keys/${id}`, { method: 'DELETE', bearer: user.accessToken });
    const ends: [name: string, end: () => Promise<Answer>, path: string, bearers: string[]][] = [
      ['a key', () => revoke(ada, adas.id), '/v1/models', [adas.key]],
      ["an administrator's key", () => revoke(chief, chiefs.id), '/v1/models', [chiefs.key]],
      [
        'a disabled user',
        () => request(`/users/${bob.id}`, { method: 'PATCH', json: { status: 'disabled' } }),
        '/connect/opencode.json',
        [bob.key, bob.accessToken],
      ],
      [
        'a deleted user',
        () => request(`/users/${carol.id}`, { method: 'DELETE' }),
        '/connect/opencode.json',
        [carol.key, carol.accessToken],
      ],
    ];
    for (const [name, , path, bearers] of ends)
      for (const bearer of bearers)
        expect([name, await statusesOf(path, bearer)]).toEqual([name, [200, 200, 200]]);

    const found = await Promise.all(
      ends.map(async ([name, end, path, bearers]) => {
        // Nothing is let go cold: everybody goes on asking, before, while and after.
        let endedAt = Infinity;
        const hammered = replicas.flatMap(({ url }, index) =>
          bearers.map(async (bearer) => {
            let lastTakenAt = 0;
            while (performance.now() < endedAt + PROMISED_MS + 500) {
              const askedAt = performance.now();
              const { status } = await send(url + path, { bearer });
              if (![200, 401].includes(status)) return `${name}: ${status} at ${index}`;
              if (status === 200) lastTakenAt = askedAt;
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
            const lateMs = lastTakenAt - endedAt;
            return lateMs <= PROMISED_MS ? null : `${name}: taken for ${lateMs} ms at ${index}`;
          }),
        );
        expect((await end()).status).toBeLessThan(300);
        endedAt = performance.now();
        return Promise.all(hammered);
      }),
    );
    expect(found.flat().filter(Boolean)).toEqual([]);
  });
});
