import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DataSource } from 'typeorm';
import { HotExpressAdapter } from '../../src/http/hot-express-adapter';
import { AppModule } from '../../src/app.module';
import { shutDown } from '../../src/startup/shutdown';
import { configureApp } from '../../src/app.setup';
import { Env } from '../../src/config/env';
import { loadEnv } from '../../src/config/load-env';
import { Simulator, SimulatorOptions, startSimulator } from '../../src/simulator/simulator';
import { createDatabase } from './postgres';

export interface TestUser {
  readonly id: string;
  readonly username: string;
  readonly password: string;
  /** A first API key. */
  readonly key: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface TestGateway {
  readonly url: string;
  readonly env: Env;
  readonly simulator: Simulator;
  readonly dataSource: DataSource;
  readonly app: NestExpressApplication;
  /** Registers and logs in a user of its own name. */
  register(username?: string): Promise<TestUser>;
  /** The same, with role admin. */
  registerAdmin(username?: string): Promise<TestUser>;
  /** POST with a JSON body and a bearer credential. */
  post(path: string, credential: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string, credential: string): Promise<Response>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly simulator?: SimulatorOptions;
  /** Another replica over the database and simulator of this one. */
  readonly replicaOf?: TestGateway;
}

/** The real application on a free port, over a database of its own and the simulator, as main.ts puts it together. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { replicaOf } = options;
  const database = replicaOf ? null : await createDatabase();
  const simulator = replicaOf?.simulator ?? (await startSimulator(options.simulator));
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-data-'));
  const env = loadEnv({
    NODE_ENV: 'test',
    DATA_DIR: dataDir,
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    DATABASE_URL: replicaOf?.env.DATABASE_URL ?? database?.url,
    VLLM_BASE_URL: simulator.baseUrl,
    JWT_SECRET: replicaOf?.env.JWT_SECRET ?? randomBytes(32).toString('hex'),
    API_KEY_PEPPER: replicaOf?.env.API_KEY_PEPPER ?? randomBytes(32).toString('hex'),
    METRICS_PORT: '0',
    DATABASE_POOL_SIZE: '6',
    // On a busy machine hundreds of requests at once are more than it can do; that is a test of its own.
    SHED_AFTER_MS: '0',
    // A spec changes more within a minute than a person does; that is a test of its own, too.
    CHANGES_PER_MINUTE: '0',
    ...options.settings,
  });
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forEnv(env),
    new HotExpressAdapter(),
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
    },
  );
  configureApp(app);
  const close = async () => {
    // As main.ts does: app.close() alone waits for connections that were opened and never used.
    await shutDown(app, false);
    rmSync(dataDir, { recursive: true, force: true });
    if (replicaOf) return;
    await simulator.close();
    await database?.drop();
  };
  try {
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    // What it has opened by then would keep the test run from ending.
    await close();
    throw error;
  }
  const { port } = app.getHttpServer().address() as AddressInfo;
  env.listensOn(port);
  const url = `http://127.0.0.1:${port}`;
  const dataSource = app.get(DataSource);

  const request = (
    method: string,
    path: string,
    credential: string,
    body?: unknown,
    headers = {},
  ): Promise<Response> =>
    fetch(url + path, {
      method,
      headers: {
        ...(credential ? { authorization: `Bearer ${credential}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });

  const register = async (username = `user-${randomBytes(6).toString('hex')}`): Promise<TestUser> => {
    const password = `pass ${randomBytes(9).toString('hex')}`;
    const registered = await request('POST', '/auth/register', '', { username, password });
    if (registered.status !== 201) throw new Error(`registration failed: ${await registered.text()}`);
    const user = (await registered.json()) as { id: string; api_key: string };
    return { id: user.id, username, password, key: user.api_key, ...(await logIn(username, password)) };
  };
  const logIn = async (username: string, password: string) => {
    const answer = await request('POST', '/auth/token', '', { username, password });
    const tokens = (await answer.json()) as { access_token: string; refresh_token: string };
    return { accessToken: tokens.access_token, refreshToken: tokens.refresh_token };
  };

  return {
    url,
    env,
    simulator,
    dataSource,
    app,
    register,
    registerAdmin: async (username) => {
      const user = await register(username);
      await dataSource.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
      return { ...user, ...(await logIn(user.username, user.password)) };
    },
    post: (path, credential, body, headers) => request('POST', path, credential, body, headers),
    get: (path, credential) => request('GET', path, credential),
    close,
  };
}
