import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cleanUp,
  databasePortOf,
  emptyFolder,
  GatewayProcess,
  listens,
  printedAdmin,
  startProcess,
  ensureBuilt,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { send } from '../support/send';

const ONCE = 'This is shown once';

beforeAll(ensureBuilt);

afterAll(cleanUp);

describe('a start from nothing', () => {
  const folder = emptyFolder();
  let gateway: GatewayProcess;
  let databasePort = 0;
  let apiKey = '';

  beforeAll(async () => {
    gateway = await startProcess(folder);
    await gateway.printed(ONCE);
    await gateway.printed('"model": "llm-user-managed/');
    databasePort = databasePortOf(gateway);
    apiKey = printedAdmin(gateway).apiKey;
  });

  it('prints an admin whose password and key work', async () => {
    const admin = printedAdmin(gateway);
    const token = await logIn(gateway.url, admin);
    const me = await getJson(`${gateway.url}/users/me`, token);
    expect(me).toMatchObject({ username: 'admin', role: 'admin' });
    const models = await getJson(`${gateway.url}/v1/models`, admin.apiKey);
    expect(models).toMatchObject({
      data: expect.arrayContaining([expect.objectContaining({ simulated: true })]),
    });
  });

  it('prints an opencode.json that leads here', () => {
    const config = JSON.parse(/^\{[^]*^\}/m.exec(gateway.output())?.[0] ?? '') as unknown;
    expect(config).toMatchObject({
      model: 'llm-user-managed/opencode-llm',
      provider: {
        'llm-user-managed': {
          npm: '@ai-sdk/openai-compatible',
          options: { baseURL: `${gateway.url}/v1`, apiKey },
          models: { 'opencode-llm': { limit: { context: expect.any(Number), output: expect.any(Number) } } },
        },
      },
    });
  });

  it('says on every line that answers are simulated', () => {
    const lines = gateway.output().slice(0, gateway.output().indexOf('The first admin')).trim().split('\n');
    const own = lines.filter((line) => !line.startsWith('{') && !line.startsWith('built') && line !== '');
    expect(own.length).toBeGreaterThan(5);
    expect(own.filter((line) => !line.includes('simulated answers'))).toEqual([]);
  });

  it('says where its database is', () => {
    expect(gateway.output()).toContain(
      `database: embedded PostgreSQL in ${join(folder, 'data', 'postgres')}\n`,
    );
  });

  it('keeps its files from everybody else', () => {
    const data = join(folder, 'data');
    // The account of the embedded database may have to pass through, when root starts it; never read.
    expect(statSync(data).mode & 0o067).toBe(0);
    for (const name of ['jwt-secret', 'api-key-pepper']) {
      expect(statSync(join(data, name)).mode & 0o777).toBe(0o600);
      expect(gateway.output()).not.toContain(readFileSync(join(data, name), 'utf8').trim());
    }
  });

  it('survives kill -9: the next start adopts the data and prints no credentials again', async () => {
    gateway.kill('SIGKILL');
    expect(await gateway.ended).toBe('SIGKILL');
    gateway = await startProcess(folder);
    await gateway.ready();
    expect(gateway.output()).not.toContain(ONCE);
    expect(await getJson(`${gateway.url}/v1/models`, apiKey)).toMatchObject({ object: 'list' });
  });

  it('finishes a running stream at SIGTERM, ends with 0 and leaves no database running', async () => {
    const stream = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'opencode-llm',
        stream: true,
        messages: [{ role: 'user', content: 'SIM:{"tokens":40,"tbtMs":25}' }],
      }),
    });
    gateway.kill('SIGTERM');
    expect(await stream.text()).toMatch(/"finish_reason":"stop"[^]*data: \[DONE\]\s*$/);
    expect(await gateway.ended).toBe(0);
    expect(await listens(databasePort)).toBe(false);
  });

  it('ends in order when its terminal is closed (SIGHUP), with workers, too', async () => {
    for (const WORKERS of ['1', '2']) {
      gateway = await startProcess(folder, { WORKERS });
      await gateway.ready();
      gateway.kill('SIGHUP');
      expect(await gateway.ended).toBe(0);
      expect(gateway.output()).toMatch(/SIGHUP: finishing what runs[^]*stopped\n$/);
      expect(await listens(databasePortOf(gateway))).toBe(false);
    }
  });

  it('ends with 0 when SIGTERM comes during the start, and leaves no database running', async () => {
    gateway = await startProcess(folder);
    await gateway.printed('PostgreSQL answers on port');
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(await listens(databasePortOf(gateway))).toBe(false);
  });
});

describe('a gateway whose data directory is taken away', () => {
  it.each(['1', '2'])(
    'says in one sentence at its end that no database is to be stopped (WORKERS=%s)',
    async (WORKERS) => {
      const folder = emptyFolder();
      const gateway = await startProcess(folder, { WORKERS });
      await gateway.ready();
      const [, directory = ''] = /database: embedded PostgreSQL in (.*)/.exec(gateway.output()) ?? [];
      const [server = ''] = readFileSync(join(directory, 'cluster', 'postmaster.pid'), 'utf8').split('\n');
      // PostgreSQL may write a file meanwhile.
      rmSync(directory, { recursive: true, maxRetries: 20 });
      rmSync(join(folder, 'data'), { recursive: true, force: true, maxRetries: 20 });
      gateway.kill('SIGTERM');
      expect(await gateway.ended).toBe(1);
      expect(gateway.errors()).toMatch(
        /^The embedded PostgreSQL in \S+ could not be stopped: [^\n]*pg_ctl[^\n]*\.\n$/,
      );
      // Nothing is ended twice.
      expect(gateway.output()).not.toContain('more than once');
      // It would notice within a minute, and end by itself.
      process.kill(Number(server), 'SIGQUIT');
    },
  );
});

describe('two starts at once in one folder', () => {
  it('agree on secrets and make one admin', async () => {
    const folder = emptyFolder();
    const both = await Promise.all([startProcess(folder), startProcess(folder)]);
    await Promise.all(both.map((gateway) => gateway.ready()));
    // The admin is printed last.
    await Promise.race(both.map((gateway) => gateway.printed('"model": "llm-user-managed/')));
    const [printer, ...others] = both.filter((gateway) => gateway.output().includes(ONCE));
    expect(others).toEqual([]);
    const admin = printedAdmin(printer as GatewayProcess);
    const token = await logIn(both[0]?.url ?? '', admin);
    for (const { url } of both) {
      expect(await getJson(`${url}/users/me`, token)).toMatchObject({ username: 'admin' });
      expect(await getJson(`${url}/v1/models`, admin.apiKey)).toMatchObject({ object: 'list' });
    }
    both[0]?.kill('SIGTERM');
    expect(await both[0]?.ended).toBe(0);
    expect(await getJson(`${both[1]?.url}/users/me`, token)).toMatchObject({ username: 'admin' });
    both[1]?.kill('SIGTERM');
    expect(await both[1]?.ended).toBe(0);
    expect(await listens(databasePortOf(both[1] as GatewayProcess))).toBe(false);
  });
});

describe('a start in production', () => {
  let database: TestDatabase;
  const secrets = () => ({
    JWT_SECRET: randomBytes(32).toString('hex'),
    API_KEY_PEPPER: randomBytes(32).toString('hex'),
  });
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  it('writes the credentials into a file of 0600 and prints its name only', async () => {
    const folder = emptyFolder();
    const password = 'a phrase that nobody guesses';
    writeFileSync(join(folder, 'password'), `${password}\n`);
    const gateway = await startProcess(folder, {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      VLLM_BASE_URL: 'http://127.0.0.1:9/v1, http://127.0.0.1:9/other',
      PUBLIC_URL: 'https://llm.example.com',
      ADMIN_USERNAME: 'root@example.com',
      ADMIN_PASSWORD_FILE: join(folder, 'password'),
      DATABASE_POOL_SIZE: '500',
      ...secrets(),
    });
    await gateway.printed('first admin: root@example.com');
    const file = join(folder, 'data', 'first-admin.txt');
    expect(gateway.output()).toContain(file);
    expect(gateway.output()).not.toMatch(/llmk_|simulated/);
    for (const url of ['http://127.0.0.1:9', 'http://127.0.0.1:9/other'])
      expect(gateway.output()).toContain(`vLLM: ${url} does not answer`);
    expect(gateway.output()).toContain('TRUST_PROXY: false although PUBLIC_URL is https');
    expect(gateway.output()).toMatch(
      /^the database allows \d+ connections .* may open 502 .*DATABASE_POOL_SIZE 500/m,
    );
    expect(gateway.output()).not.toContain(new URL(database.url).password || 'postgres:');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toMatch(/llmk_\w{49}/);
    const session = await logIn(gateway.url, { username: 'root@example.com', password });
    expect(await registerByInvitation(gateway.url, session)).toEqual(['invitation_required', 201]);

    // Behind a load balancer: still served, but no longer ready.
    gateway.kill('SIGTERM');
    await gateway.printed('finishing what runs');
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
    const live = await fetch(`${gateway.url}/health/live`);
    expect([live.status, live.headers.get('connection')]).toEqual([200, 'close']);
    await sleep(1_100);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(143);
  });

  it('says that API_KEY_PEPPER is another one than before', async () => {
    const outputs: string[] = [];
    const [before, after] = [secrets(), secrets()];
    for (const given of [before, before, after]) {
      const settings = { DATABASE_URL: database.url, ...given };
      const gateway = await startProcess(emptyFolder(), settings);
      await gateway.ready();
      gateway.kill('SIGTERM');
      await gateway.ended;
      outputs.push(gateway.output());
    }
    // The first one comes after those of other tests.
    expect(outputs[1]).not.toContain('API_KEY_PEPPER');
    expect(outputs[2]).toMatch(/API_KEY_PEPPER is another one than that of this database since 20/);
    expect(outputs[2]).not.toContain(after.API_KEY_PEPPER);
  });
});

async function logIn(url: string, account: { username: string; password: string }): Promise<string> {
  const answer = await fetch(`${url}/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: account.username, password: account.password }),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { access_token: string }).access_token;
}

/** What a registration is answered without an invitation, and with one. */
async function registerByInvitation(url: string, session: string): Promise<unknown[]> {
  const account = { username: 'grace', password: 'a phrase of her own' };
  const invited = await send(`${url}/admin/invitations`, { bearer: session, json: {} });
  const without = await send(`${url}/auth/register`, { json: account });
  const json = { ...account, invitation: invited.body.token };
  return [without.body.code, (await send(`${url}/auth/register`, { json })).status];
}

async function getJson(url: string, credential: string): Promise<unknown> {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${credential}` } });
  return answer.json();
}
