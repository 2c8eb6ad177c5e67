import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';
import { BODY, CHAT } from './support/wire';

const AT_ONCE = 300;
/** So many passwords are looked at or wait for that; all others are refused before their sessions. */
const PASSWORDS_AT_ONCE = 30;
const CONNECTIONS = 2;

type Flood = (index: number) => Promise<{ status: number; code: unknown }>;

describe('who has not shown yet who they are', () => {
  let gateway: TestGateway;
  let holder: Client;
  /** Within a transaction PostgreSQL would tell for ever what it told at first. */
  let watcher: Client;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { TRUST_PROXY: '1' } });
    [holder, watcher] = [connection(), connection()];
    await Promise.all([holder.connect(), watcher.connect()]);
    user = await gateway.register();
  });
  afterAll(async () => {
    await Promise.all([holder.end(), watcher.end()]);
    await gateway.close();
  });

  const connection = () => new Client({ connectionString: gateway.env.DATABASE_URL });
  const ask = async (path: string, json: object, address = '192.0.2.1') => {
    const headers = { 'x-forwarded-for': address };
    const { status, body } = await send(gateway.url + path, { method: 'POST', json, headers });
    return { status, code: body.error ?? body.code };
  };
  const from = (index: number) => `198.51.100.${index % 250}`;
  const wrongLogin: Flood = (index) => ask('/auth/token', { username: `nobody-${index}`, password: 'wrong' });
  const login: Flood = (index) =>
    ask('/auth/token', { username: user.username, password: user.password }, from(index));
  const registration: Flood = (index) =>
    ask('/auth/register', { username: `new-${index}`, password: 'seven lamps by the harbour' }, from(index));
  const refresh: Flood = () => ask('/auth/refresh', { refresh_token: user.refreshToken });
  const reset: Flood = (index) =>
    ask('/auth/password-reset', { token: `llmp_${index}`, new_password: 'seven lamps by the harbour' });
  const linkCheck: Flood = (index) => ask('/auth/password-reset/check', { token: `llmp_${index}` });
  const invitationCheck: Flood = (index) =>
    ask('/auth/register/check', { invitation: `llmi_${index}` }, from(index));

  const waiting = async (): Promise<number> => {
    const { rows } = await watcher.query<{ count: number }>(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.count ?? 0;
  };
  const untilTheyWait = async (): Promise<void> => {
    for (let n = 0; n < 1_500; n += 1) {
      if ((await waiting()) >= CONNECTIONS) return;
      await sleep(20);
    }
    throw new Error('they do not wait for the table');
  };
  /** Resolves once so many requests have come to the gateway. */
  const arrived = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const server = gateway.app.getHttpServer() as Server;
      let came = 0;
      const one = () => {
        came += 1;
        if (came < count) return;
        server.off('request', one);
        resolve();
      };
      server.on('request', one);
    });

  it.each([
    ['wrong logins', AT_ONCE, 'login_throttles', wrongLogin],
    ['right logins', PASSWORDS_AT_ONCE, 'sessions', login],
    ['registrations', AT_ONCE, 'login_throttles', registration],
    ['refreshes', AT_ONCE, 'sessions', refresh],
    ['password links', AT_ONCE, 'password_resets', reset],
    ['checks of password links', AT_ONCE, 'password_resets', linkCheck],
    ['checks of invitations', AT_ONCE, 'invitations', invitationCheck],
  ])(
    'holds two connections at a time, and generations have the others: %s',
    async (_, count, table, flood) => {
      await holder.query('BEGIN');
      const all = arrived(count);
      let answers: ReturnType<Flood>[] = [];
      try {
        await holder.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
        answers = Array.from({ length: count }, (__, index) => flood(index));
        // Whoever is not let in fails here, and the test with it.
        await Promise.race([all, Promise.all(answers)]);
        await untilTheyWait();
        expect((await gateway.post(CHAT, user.key, BODY)).status).toBe(200);
        expect(await waiting()).toBe(CONNECTIONS);
      } finally {
        await holder.query('ROLLBACK');
        await Promise.allSettled(answers);
      }
      // As ever, or that it was too much at once; on a slow machine that the table was held for too long.
      for (const { status, code } of await Promise.all(answers))
        if (status === 503) expect(['busy', 'database_unavailable']).toContain(code);
        else expect([200, 201, 400, 401, 403, 429]).toContain(status);
      expect((await login(0)).status).toBe(200);
    },
  );
});
