import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { Env } from '../config/env';
import { loadDotEnv, loadEnv } from '../config/load-env';
import { AdminCredentials, adminCredentials } from '../startup/admin-credentials';
import { DataDirectory } from '../startup/data-directory';
import { ProvidedDatabase, provideDatabase } from '../startup/database';
import { bringSchemaUpToDate } from '../startup/migrations';
import { isExplained, StartupFailure } from '../startup/startup-failure';
import { StartupLog } from '../startup/startup-log';
import { AdminAccounts } from './admin-accounts';
import { AdminCreateModule } from './admin-create.module';
import { Asked, askedFor } from './asked';

/** npm run admin:create: an administrator, made or let in again by whoever has the command line of the server. */
async function main(): Promise<number> {
  try {
    const asked = askedFor(process.argv.slice(2));
    loadDotEnv();
    const env = loadEnv();
    const credentials = adminCredentials(env, usernameOf(asked, env), 'The username');
    // Nothing is answered here, so nothing is simulated.
    const log = new StartupLog({ VLLM_BASE_URL: 'none', simulated: false });
    const database = await provide(env, log);
    try {
      await bringSchemaUpToDate({ url: database.url, migrate: database.embeddedIn !== null, log });
      await write(env, credentials, asked);
    } finally {
      await database.stop();
    }
    process.stdout.write(`${announcement(credentials, asked)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${isExplained(error) ? error.message : (error as Error).stack}\n`);
    return 1;
  }
}

function usernameOf({ username }: Asked, env: Env): string {
  const name = username ?? env.ADMIN_USERNAME;
  if (name !== undefined) return name;
  throw new StartupFailure('Who? npm run admin:create -- username, or ADMIN_USERNAME.');
}

/** The server of DATABASE_URL; or the embedded one, which does not run while all gateways are stopped. */
async function provide(env: Env, log: StartupLog): Promise<ProvidedDatabase> {
  const dataDir = join(resolve(env.DATA_DIR), 'postgres');
  if (env.DATABASE_URL || existsSync(dataDir) || existsSync(`${dataDir}.location`)) {
    return provideDatabase(env, new DataDirectory(env.DATA_DIR), log);
  }
  throw new StartupFailure(
    `DATABASE_URL is not set, and there is no database in ${dataDir} yet: npm start makes one, with a first admin.`,
  );
}

async function write(env: Env, credentials: AdminCredentials, { reset }: Asked): Promise<void> {
  const app = await NestFactory.createApplicationContext(AdminCreateModule.forEnv(env), {
    logger: false,
    abortOnError: false,
  });
  try {
    await app.get(AdminAccounts)[reset ? 'reset' : 'create'](credentials);
  } finally {
    await app.close();
  }
}

function announcement({ username, password, passwordGenerated }: AdminCredentials, { reset }: Asked): string {
  return [
    reset ? 'An active administrator with a new password; all sessions have ended.' : 'A new administrator.',
    '',
    `  username  ${username}`,
    `  password  ${passwordGenerated ? `${password}  (shown once)` : '(as ADMIN_PASSWORD says)'}`,
  ].join('\n');
}

void main().then((code) => (process.exitCode = code));
