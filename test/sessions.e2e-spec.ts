import { startGateway, TestGateway } from './support/gateway';
import { send } from './support/send';

describe('sessions', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  const refresh = (refreshToken: unknown, at = gateway) =>
    send(`${at.url}/auth/refresh`, { json: { refresh_token: refreshToken } });
  const me = (accessToken: unknown, at = gateway) =>
    send(`${at.url}/users/me`, { bearer: String(accessToken) });
  const logIn = async (username: string, password: string) => {
    const { body } = await send(`${gateway.url}/auth/token`, { json: { username, password } });
    return { accessToken: String(body.access_token), refreshToken: String(body.refresh_token) };
  };
  const letGraceRunOut = () =>
    gateway.dataSource.query(`UPDATE sessions SET rotated_at = rotated_at - interval '11 seconds'`);
  const reuses = async (userId: string): Promise<number> => {
    const [row] = await gateway.dataSource.query(
      `SELECT count(*)::int AS n FROM audit_log WHERE action = 'refresh_reuse' AND actor_id = $1`,
      [userId],
    );
    return row.n;
  };

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
  });
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  it('exchange a refresh token for new tokens, in JSON and as a form', async () => {
    const ada = await gateway.register();
    const first = await refresh(ada.refreshToken);
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ token_type: 'bearer', expires_in: 900 });
    expect(first.body.refresh_token).not.toBe(ada.refreshToken);
    expect((await me(first.body.access_token)).body.id).toBe(ada.id);
    const form = { grant_type: 'refresh_token', refresh_token: String(first.body.refresh_token) };
    const second = await send(`${gateway.url}/auth/refresh`, { form });
    expect(second.status).toBe(200);
    expect(second.headers.get('cache-control')).toBe('no-store');
  });

  it.each(['password', 'authorization_code', 'REFRESH_TOKEN', ''])(
    'are not exchanged at /auth/refresh by a grant %j, nor used up',
    async (grant_type) => {
      const ada = await gateway.register();
      const asked = { grant_type, refresh_token: ada.refreshToken };
      for (const sent of [{ json: asked }, { form: asked }]) {
        const answer = await send(`${gateway.url}/auth/refresh`, sent);
        expect([answer.status, answer.body.error]).toEqual([400, 'unsupported_grant_type']);
      }
      const json = { grant_type: null, refresh_token: ada.refreshToken };
      expect((await send(`${gateway.url}/auth/refresh`, { json })).status).toBe(200);
      const login = { grant_type: null, username: ada.username, password: ada.password };
      expect((await send(`${gateway.url}/auth/token`, { json: login })).status).toBe(200);
    },
  );

  it('repeat a lost answer within 10 seconds', async () => {
    const ada = await gateway.register();
    const [first, again] = [await refresh(ada.refreshToken), await refresh(ada.refreshToken, replica)];
    expect(again.status).toBe(200);
    expect(again.body.refresh_token).toBe(first.body.refresh_token);
    expect((await refresh(first.body.refresh_token)).status).toBe(200);
    expect(await reuses(ada.id)).toBe(0);
  });

  it('end when a used token comes back after 11 seconds, with an audit row', async () => {
    const ada = await gateway.register();
    const newest = await refresh(ada.refreshToken);
    await letGraceRunOut();
    const stolen = await refresh(ada.refreshToken, replica);
    expect([stolen.status, stolen.body.error]).toEqual([401, 'invalid_grant']);
    expect((await refresh(newest.body.refresh_token)).status).toBe(401);
    expect((await me(newest.body.access_token)).status).toBe(401);
    expect(await reuses(ada.id)).toBe(1);
  });

  it('end at once when an older generation comes back', async () => {
    const ada = await gateway.register();
    const second = await refresh(ada.refreshToken);
    const third = await refresh(second.body.refresh_token);
    expect((await refresh(ada.refreshToken)).status).toBe(401);
    expect((await refresh(third.body.refresh_token)).status).toBe(401);
    expect(await reuses(ada.id)).toBe(1);
  });

  it('take nothing from a forged token, and lose nothing by it', async () => {
    const ada = await gateway.register();
    const bytes = Buffer.from(ada.refreshToken.slice(5), 'base64url');
    const forged = Array.from({ length: bytes.length }, (_, i) => {
      const copy = Buffer.from(bytes);
      copy[i]! ^= 1;
      return `llmr_${copy.toString('base64url')}`;
    });
    const answers = await Promise.all(forged.map((token) => refresh(token)));
    expect(answers.every((answer) => answer.status === 401)).toBe(true);
    expect((await refresh(ada.refreshToken)).status).toBe(200);
  });

  it('take no access token, API key or other value for a refresh token, nor the reverse', async () => {
    const ada = await gateway.register();
    expect((await refresh(ada.accessToken)).status).toBe(401);
    expect((await refresh(ada.key)).status).toBe(401);
    expect((await me(ada.refreshToken)).status).toBe(401);
    for (const wrong of [null, 1, {}, ['x'], undefined]) expect((await refresh(wrong)).status).toBe(400);
  });

  it('end with logout: access and refresh token stop working everywhere', async () => {
    const ada = await gateway.register();
    const other = await logIn(ada.username, ada.password);
    const logout = await send(`${gateway.url}/auth/logout`, { method: 'POST', bearer: ada.accessToken });
    expect([logout.status, logout.text]).toEqual([204, '']);
    expect((await me(ada.accessToken, replica)).status).toBe(401);
    expect((await refresh(ada.refreshToken, replica)).status).toBe(401);
    expect((await me(other.accessToken)).status).toBe(200);
  });

  it('end all at once: every token of the user stops working everywhere, and nobody else’s; API keys go on', async () => {
    const [ada, bob] = [await gateway.register(), await gateway.register()];
    const other = await logIn(ada.username, ada.password);
    const endAll = (bearer: string) => send(`${gateway.url}/auth/sessions`, { method: 'DELETE', bearer });
    expect((await endAll(ada.key)).status).toBe(403);
    expect((await me(other.accessToken, replica)).status).toBe(200);
    const ended = await endAll(ada.accessToken);
    expect([ended.status, ended.text]).toEqual([204, '']);
    for (const tokens of [ada, other]) {
      expect((await me(tokens.accessToken, replica)).status).toBe(401);
      expect((await refresh(tokens.refreshToken, replica)).status).toBe(401);
    }
    expect((await endAll(ada.accessToken)).status).toBe(401);
    expect((await me(bob.accessToken)).status).toBe(200);
    expect((await send(`${gateway.url}/v1/models`, { bearer: ada.key })).status).toBe(200);
    const again = await logIn(ada.username, ada.password);
    expect((await me(again.accessToken)).status).toBe(200);
  });

  it('end with the account: disabled or deleted, every token is refused on every replica', async () => {
    for (const change of [`status = 'disabled'`, `deleted_at = now()`]) {
      const ada = await gateway.register();
      expect((await me(ada.accessToken, replica)).status).toBe(200);
      await gateway.dataSource.query(`UPDATE users SET ${change} WHERE id = $1`, [ada.id]);
      expect((await me(ada.accessToken, replica)).status).toBe(401);
      expect((await refresh(ada.refreshToken, replica)).status).toBe(401);
    }
  });

  it('end after SESSION_SECONDS, however often they were refreshed', async () => {
    const ada = await gateway.register();
    const ends = () =>
      gateway.dataSource.query<{ expires_at: Date; days: number }[]>(
        `SELECT expires_at, extract(epoch FROM expires_at - created_at)::float8 / 86400 AS days
         FROM sessions WHERE user_id = $1`,
        [ada.id],
      );
    const [before] = await ends();
    expect(before?.days).toBeCloseTo(30, 2);
    const { body } = await refresh(ada.refreshToken);
    expect(await ends()).toEqual([before]);
    await gateway.dataSource.query(`UPDATE sessions SET expires_at = now() WHERE user_id = $1`, [ada.id]);
    expect((await refresh(body.refresh_token)).status).toBe(401);
    expect((await me(body.access_token)).status).toBe(401);
  });

  it('follow a change of role at once', async () => {
    const ada = await gateway.register();
    await gateway.dataSource.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [ada.id]);
    expect((await me(ada.accessToken)).body.role).toBe('admin');
  });

  it('are kept to the newest 50 of a user', async () => {
    const ada = await gateway.register();
    await gateway.dataSource.query(
      `INSERT INTO sessions (id, user_id, token_hash, expires_at, last_used_at)
       SELECT gen_random_uuid(), $1, '', now() + interval '1 day', now() + interval '1 minute' FROM generate_series(1, 60)`,
      [ada.id],
    );
    const newest = await logIn(ada.username, ada.password);
    const { body } = await send(`${gateway.url}/auth/sessions`, { bearer: newest.accessToken });
    expect(body).toHaveLength(50);
    expect((await me(newest.accessToken)).status).toBe(200);
  });

  it('open while somebody else ends old ones, without waiting for that', async () => {
    const ada = await gateway.register();
    await gateway.dataSource.query(
      `INSERT INTO sessions (id, user_id, token_hash, expires_at, last_used_at)
       SELECT gen_random_uuid(), $1, '', now() + interval '1 day', now() - interval '1 hour' FROM generate_series(1, 60)`,
      [ada.id],
    );
    const ending = gateway.dataSource.createQueryRunner();
    await ending.startTransaction();
    await ending.query(`UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND token_hash = ''`, [
      ada.id,
    ]);
    const newest = await logIn(ada.username, ada.password);
    expect((await me(newest.accessToken)).status).toBe(200);
    await ending.rollbackTransaction();
    await ending.release();
  });

  it('are listed for their owner only, and ended by their owner only', async () => {
    const [ada, bob] = [await gateway.register(), await gateway.register()];
    await logIn(ada.username, ada.password);
    const list = async (accessToken: string) => {
      const { text } = await send(`${gateway.url}/auth/sessions`, { bearer: accessToken });
      return JSON.parse(text) as { id: string; current: boolean }[];
    };
    const sessions = await list(ada.accessToken);
    expect(sessions).toHaveLength(2);
    const own = sessions.find((session) => session.current);
    const end = (id: string | undefined, bearer: string) =>
      send(`${gateway.url}/auth/sessions/${id}`, { method: 'DELETE', bearer });
    const foreign = await end(own?.id, bob.accessToken);
    const missing = await end('0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b', bob.accessToken);
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
    expect((await end('not-an-id', bob.accessToken)).status).toBe(400);
    expect((await end(own?.id, ada.accessToken)).status).toBe(204);
    expect((await me(ada.accessToken)).status).toBe(401);
  });

  it('leave no token, key or password readable in the database', async () => {
    const ada = await gateway.register();
    const { body } = await refresh(ada.refreshToken);
    const tables: { name: string }[] = await gateway.dataSource.query(
      `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    let dump = '';
    for (const { name } of tables) {
      const rows: unknown[] = await gateway.dataSource.query(`SELECT t::text FROM ${name} t`);
      dump += JSON.stringify(rows);
    }
    expect(dump).toContain(ada.id);
    for (const secret of [
      ada.password,
      ada.key,
      ada.refreshToken,
      String(body.refresh_token),
      ada.accessToken,
    ]) {
      expect(dump).not.toContain(secret);
      expect(dump).not.toContain(secret.slice(5, -8));
      expect(dump).not.toContain(Buffer.from(secret).toString('hex'));
    }
  });
});
