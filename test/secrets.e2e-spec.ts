import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { Simulator, startSimulator } from '../src/simulator/simulator';
import { DocumentedRoute, documentedRoutes } from './support/documented-routes';
import { cleanUp, emptyFolder, freePort, GatewayProcess, startProcess } from './support/gateway-process';
import { faultsOf } from './support/house-rules';
import { createDatabase, TestDatabase } from './support/postgres';
import { Answer, send, Sent } from './support/send';

const PASSWORD = 'canary seven lamps by the harbour';
const PROMPT = 'canary-prompt-of-the-user';
const NOBODYS_ID = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';

describe('secrets and prompts, with LOG_LEVEL=debug', () => {
  let simulator: Simulator;
  let database: TestDatabase;
  let gateway: GatewayProcess;
  let metricsUrl: string;
  let routes: DocumentedRoute[];
  let secrets: Record<
    'password' | 'prompt' | 'key' | 'accessToken' | 'refreshToken' | 'invitation' | 'link',
    string
  >;
  const failures: string[] = [];

  const requested = async (path: string, sent: Sent): Promise<Answer> => {
    const answer = await send(gateway.url + path, sent);
    if (answer.status >= 400) failures.push(answer.text + JSON.stringify([...answer.headers]));
    return answer;
  };
  const found = (text: string): string[] =>
    Object.entries(secrets).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

  beforeAll(async () => {
    [simulator, database] = [await startSimulator(), await createDatabase()];
    const metricsPort = String(await freePort());
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    gateway = await startProcess(emptyFolder(), {
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
      METRICS_PORT: metricsPort,
      LOG_LEVEL: 'debug',
      // Every route is to be reached, again and again.
      CHANGES_PER_MINUTE: '0',
    });
    await gateway.ready();
    const get = (path: string) => fetch(gateway.url + path);
    routes = await documentedRoutes({ get });
    const login = { username: 'ada', password: PASSWORD };
    const { api_key: key } = (await send(`${gateway.url}/auth/register`, { json: login })).body;
    const tokens = (await send(`${gateway.url}/auth/token`, { json: login })).body;
    secrets = {
      password: PASSWORD,
      prompt: PROMPT,
      key: String(key),
      accessToken: String(tokens.access_token),
      refreshToken: String(tokens.refresh_token),
      invitation: `llmi_${randomBytes(32).toString('base64url')}`,
      link: `llmp_${randomBytes(32).toString('base64url')}`,
    };
  }, 300_000);
  afterAll(async () => {
    await cleanUp();
    await simulator.close();
    await database.drop();
  });

  /** Of the server that the tests share; what went wrong is in it, as PostgreSQL writes it down by itself. */
  const logOfTheDatabase = async (): Promise<string> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ log: string }>(
        `SELECT pg_read_file(coalesce(pg_current_logfile(), current_setting('data_directory') || '/../server.log')) AS log`,
      );
      return rows[0]?.log ?? '';
    } finally {
      await client.end();
    }
  };

  /** Secrets in every place where somebody may put one, rightly or by mistake. */
  const sendings = (bearer: string): Sent[] => {
    const { password, prompt, key, accessToken, refreshToken } = secrets;
    const fields = {
      model: key,
      messages: [{ role: 'user', content: prompt }],
      prompt,
      username: password,
      password,
      new_password: password,
      name: password,
      token: refreshToken,
      refresh_token: accessToken,
      api_key: key,
    };
    const headers = { cookie: `key=${key}; token=${refreshToken}`, 'user-agent': `agent ${accessToken}` };
    return [
      { bearer, headers, json: fields },
      { bearer, headers, json: JSON.stringify(fields).slice(0, -1) },
      { bearer, headers, json: [prompt, password, key] },
      { bearer, headers: { ...headers, 'x-api-key': refreshToken }, json: fields },
      { headers: { ...headers, authorization: `Basic ${key}` }, form: { username: password, password } },
    ];
  };

  it('pass through every route', async () => {
    const { key, accessToken, refreshToken } = secrets;
    const query = `?${new URLSearchParams({ api_key: key, access_token: accessToken, cursor: refreshToken }).toString()}`;
    // They work, and so come last.
    const isLogout = ({ verb, path }: DocumentedRoute) =>
      ['POST /auth/logout', 'DELETE /auth/sessions'].includes(`${verb} ${path}`);
    const inOrder = [...routes.filter((route) => !isLogout(route)), ...routes.filter(isLogout)];
    for (const { verb, path } of inOrder) {
      const target = path.replaceAll(/\{\w+\}/g, NOBODYS_ID);
      for (const bearer of [key, accessToken, refreshToken]) {
        const sent = verb === 'GET' ? [{ bearer }] : sendings(bearer);
        for (const each of sent) await requested(target, { ...each, method: verb });
        await requested(target + query, { bearer, method: verb });
        await requested(path.replaceAll(/\{\w+\}/g, bearer), { bearer, method: verb });
      }
    }
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: PROMPT }], max_tokens: 3 };
    const statuses: number[] = [];
    for (const stream of [false, true])
      statuses.push(
        (await requested('/v1/chat/completions', { bearer: key, json: { ...body, stream } })).status,
      );
    expect(statuses).toEqual([200, 200]);
    expect(failures.length).toBeGreaterThan(200);
  });

  it('pass as the links whose # was lost on the way', async () => {
    const { invitation, link } = secrets;
    for (const mark of ['%23', '/', '?', '?token=']) {
      await requested(`/auth/register${mark}${invitation}`, {});
      await requested(`/auth/password-reset${mark}${link}`, {});
    }
    await requested('/auth/register', { json: { username: invitation, password: link, invitation } });
    await requested('/auth/password-reset', { json: { token: link, new_password: invitation } });
    await requested('/auth/register/check', { json: { invitation } });
    await requested('/auth/password-reset/check', { json: { token: link } });
    await requested('/auth/register/check', { json: { invitation: { [invitation]: link } } });
  });

  it('and what fails inside is answered in its envelope, with the id of its log line', async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const broken = ['users', 'api_keys', 'usage_records', 'limits'];
    for (const table of broken) await client.query(`ALTER TABLE ${table} RENAME TO ${table}_away`);
    // A key that is not known yet has to be looked up.
    const { key, accessToken: bearer, password, refreshToken } = secrets;
    const asked: [path: string, sent: Sent][] = [
      ['/auth/token', { json: { username: 'ada', password } }],
      ['/auth/register', { json: { username: 'bob', password } }],
      ['/auth/refresh', { json: { refresh_token: refreshToken } }],
      ['/users/me', { bearer }],
      [
        '/v1/chat/completions',
        { bearer: key, json: { model: 'opencode-llm', prompt: PROMPT, messages: [] } },
      ],
    ];
    try {
      for (const [path, sent] of asked) {
        const { status, headers, text } = await requested(path, sent);
        const answer = { status, headers, text, body: JSON.parse(text) as Answer['body'] };
        const rest = faultsOf(path, 'POST', answer).filter((fault) => fault !== `status ${status}`);
        expect([path, status >= 400, rest]).toEqual([path, true, []]);
        if (status === 500) await gateway.printed(`"request_id":"${headers.get('x-request-id')}"`);
      }
    } finally {
      for (const table of broken) await client.query(`ALTER TABLE ${table}_away RENAME TO ${table}`);
      await client.end();
    }
    expect(gateway.output()).toContain('"request failed"');
  });

  it('are in no failure, no log line and no metric', async () => {
    const metrics = await (await fetch(metricsUrl)).text();
    expect(metrics).toContain('llm_gateway_');
    expect(metrics).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-7|"ada"/);
    expect(metrics.split('\n').filter((line) => /^\w/.test(line)).length).toBeLessThan(2_000);
    const databaseLog = await logOfTheDatabase();
    expect(databaseLog).toMatch(/ERROR:/);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    const log = gateway.output() + gateway.errors();
    // The start prints the first administrator's key, once and on purpose; log lines are JSON.
    const lines = log.split('\n').filter((line) => line.startsWith('{"level"'));
    expect(lines.length).toBeGreaterThan(300);
    expect(lines.filter((line) => /eyJ[\w-]{20}|llm[kipr]_[\w-]{12}/.test(line))).toEqual([]);
    expect({
      log: found(log),
      metrics: found(metrics),
      databaseLog: found(databaseLog),
      failures: failures.flatMap((failure) => found(failure).map((name) => [name, failure.slice(0, 200)])),
    }).toEqual({ log: [], metrics: [], databaseLog: [], failures: [] });
  });
});
