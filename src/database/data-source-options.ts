import { join } from 'node:path';
import type { DataSourceOptions } from 'typeorm';
import { foundClasses } from './found-classes';
import { takeTime } from './session-timeouts';

const ROOT = join(__dirname, '..', '..');

/** How long one statement may take before PostgreSQL ends it, in milliseconds. */
export const STATEMENT_TIMEOUT_MS = 15_000;

const CONNECTING = { connectionTimeoutMillis: 3_000, keepAlive: true };

/**
 * One DataSource for the gateway, the migration command and the tests. Entities are found by name, so a module
 * that adds one need not be listed here; `synchronize` is never on.
 * @throws Error in one sentence when there are no migrations: they would pass for a schema that is up to date
 */
export function dataSourceOptions(settings: { url: string; poolSize?: number; applicationName?: string }) {
  return {
    type: 'postgres',
    url: settings.url,
    entities: foundClasses(join(ROOT, 'src'), '.entity'),
    migrations: foundClasses(join(ROOT, 'migrations'), ''),
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    synchronize: false,
    logging: false,
    poolSize: settings.poolSize ?? 10,
    applicationName: settings.applicationName ?? 'llm-user-management-api',
    extra: {
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      ...CONNECTING,
    },
  } satisfies DataSourceOptions;
}

/** For what changes the schema: the limits of requests are not those of migrations, which may rewrite a large table. */
export function migrationOptions(settings: { url: string; applicationName?: string }) {
  return {
    ...dataSourceOptions({ ...settings, poolSize: 2 }),
    extra: { ...CONNECTING, onConnect: takeTime },
  } satisfies DataSourceOptions;
}
