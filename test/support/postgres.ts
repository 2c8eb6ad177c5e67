import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

/** The server of this test run, as a superuser; set by global-setup.ts. */
export const SERVER_VARIABLE = 'TEST_DATABASE_URL';
export const TEMPLATE = 'gateway_test_template';

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** PostgreSQL: the template is being copied by somebody else. */
const OBJECT_IN_USE = '55006';

/** A migrated database of its own: a copy of the template, made in a fraction of a second. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  for (;;) {
    try {
      await onServer(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
      await sleep(50);
    }
  }
  return { url: urlOf(name), drop: () => onServer(`DROP DATABASE ${name} WITH (FORCE)`) };
}

export function urlOf(database: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${database}`;
  return url.href;
}

/** One statement on the server's maintenance database. */
export async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: urlOf('postgres') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  const url = process.env[SERVER_VARIABLE];
  if (!url) throw new Error(`${SERVER_VARIABLE} is not set: run the tests with npm test.`);
  return url;
}
