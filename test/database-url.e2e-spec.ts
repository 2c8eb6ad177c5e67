import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { loadEnv } from '../src/config/load-env';
import { MigrationDataSource } from '../src/database/migration-data-source';
import { EmbeddedPostgres, startEmbeddedPostgres } from '../src/embedded-postgres/embedded-postgres';
import { DataDirectory } from '../src/startup/data-directory';
import { provideDatabase } from '../src/startup/database';
import { bringSchemaUpToDate } from '../src/startup/migrations';
import { StartupLog } from '../src/startup/startup-log';
import { cleanUp, emptyFolder } from './support/gateway-process';
import { LostTime } from './support/lost-time';
import { createDatabase, onServer, urlOf } from './support/postgres';

const provide = (url: string) => {
  const env = loadEnv({ DATABASE_URL: url, DATA_DIR: emptyFolder() });
  return provideDatabase(env, new DataDirectory(env.DATA_DIR), new StartupLog(env));
};

/** A server that listens on a Unix socket, too. */
describe('a Unix socket in DATABASE_URL', () => {
  let server: EmbeddedPostgres;
  const sockets = emptyFolder();

  beforeAll(async () => {
    chmodSync(sockets, 0o777);
    // Nothing here has to survive a power cut, and a slow disk would take its time for every migration.
    const fast = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
    const settings = { unix_socket_directories: sockets, ...fast };
    server = await startEmbeddedPostgres({ dataDir: join(emptyFolder(), 'postgres'), settings });
  }, 180_000);
  afterAll(async () => {
    await server.stop();
    await cleanUp();
  });

  it.each(['in place of the host', 'as host=, with a user', 'as host=, with all else'])(
    '%s works',
    async (way) => {
      const { username, password, port } = new URL(server.url);
      const rest = `user=${username}&password=${password}`;
      const url = {
        'in place of the host': `postgres://${username}:${password}@${encodeURIComponent(sockets)}:${port}/gateway`,
        'as host=, with a user': `postgres://${username}:${password}@/gateway?host=${sockets}&port=${port}`,
        'as host=, with all else': `postgres:///gateway?host=${sockets}&port=${port}&${rest}`,
      }[way] as string;
      const provided = await provide(url);
      expect(provided.connections).toBe(200);
      await bringSchemaUpToDate({ url: provided.url, migrate: true, log: new StartupLog(loadEnv({})) });
    },
  );

  it.each([
    ['a role that is no superuser', '', 197],
    ['a role that may have fewer', 'CONNECTION LIMIT 7', 7],
  ])('has the connections of its role: %s', async (_whose, limit, connections) => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const role = `role_with_${connections}`;
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x' ${limit}`);
    await client.end();
    const url = new URL(server.url);
    [url.username, url.password] = [role, 'x'];
    expect((await provide(url.href)).connections).toBe(connections);
  });

  it('is said to be unsafe where a crash may lose what was committed', async () => {
    expect((await provide(server.url)).unsafe).toBe('fsync and full_page_writes and synchronous_commit');
  });

  it.each([
    [
      'a transaction does not see what others have committed',
      'default_transaction_isolation',
      'repeatable read',
    ],
    ['times are not written as the driver reads them', 'DateStyle', 'SQL, DMY'],
  ])('is refused where %s', async (_where, setting, value) => {
    const role = `with_${setting.toLowerCase()}`;
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    await client.query(`ALTER ROLE ${role} SET ${setting} = '${value}'`);
    await client.end();
    const url = new URL(server.url);
    [url.username, url.password] = [role, 'x'];
    await expect(provide(url.href)).rejects.toThrow(`${setting} "${value}"; set it to`);
  });

  it('is refused where nothing can be changed, as at a standby', async () => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(`CREATE ROLE reader LOGIN PASSWORD 'x'`);
    await client.query(`ALTER ROLE reader SET default_transaction_read_only = on`);
    await client.end();
    const url = new URL(server.url);
    [url.username, url.password] = ['reader', 'x'];
    await expect(provide(url.href)).rejects.toThrow('takes no changes: it is a standby');
  });

  it.each(['LATIN1', 'SQL_ASCII'])('is refused where texts are kept in %s', async (encoding) => {
    const name = `in_${encoding.toLowerCase()}`;
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(
      `CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
    );
    await client.end();
    const url = new URL(server.url);
    url.pathname = name;
    await expect(provide(url.href)).rejects.toThrow(
      `/${name} has the encoding ${encoding}; make one with UTF8`,
    );
  });
});

it('names a file of DATABASE_URL that is not there, at once: no server would bring it', async () => {
  const lost = new LostTime();
  const startedAt = Date.now();
  const url = 'postgres://127.0.0.1:9/x?sslmode=verify-full&sslrootcert=/missing/ca.pem';
  const sentence = 'DATABASE_URL: /missing/ca.pem, which it names, is not there.';
  await expect(provide(url)).rejects.toThrow(sentence);
  const endedAt = Date.now();
  expect(endedAt - startedAt - (await lost.between(startedAt, endedAt))).toBeLessThan(3_000);
  await lost.stop();
});

describe('a start that cannot bring the schema up to date', () => {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const start = (url: string) =>
    bringSchemaUpToDate({ url, migrate: true, log: new StartupLog(loadEnv({})) });
  beforeAll(async () => {
    await onServer(`CREATE DATABASE ${name}`);
    await onServer(`CREATE ROLE ${name} LOGIN PASSWORD 'x' CONNECTION LIMIT 1`);
  });
  afterAll(async () => {
    await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
    await onServer(`DROP ROLE ${name}`);
  });

  it('says that it is for want of connections', async () => {
    const url = new URL(urlOf(name));
    [url.username, url.password] = [name, 'x'];
    await expect(start(url.href)).rejects.toThrow(
      `DATABASE_URL: ${name}@${url.host}/${name} has no connection left.`,
    );
  });

  it('says that it is a migration', async () => {
    const client = new Client({ connectionString: urlOf(name) });
    await client.connect();
    await client.query('CREATE TABLE users ()');
    await client.end();
    await expect(start(urlOf(name))).rejects.toThrow(
      'A database migration failed: relation "users" already exists.',
    );
  });
});

describe('npm run migration:run', () => {
  it('gives its statements the time they need, as a start does: a large table takes longer than a request may', async () => {
    const database = await createDatabase();
    const before = process.env.DATABASE_URL;
    // What holds unless a session says otherwise.
    const name = new URL(database.url).pathname.slice(1);
    for (const timeout of ['statement_timeout', 'idle_in_transaction_session_timeout'])
      await onServer(`ALTER DATABASE ${name} SET ${timeout} = '15s'`);
    process.env.DATABASE_URL = database.url;
    // It reads the environment when it is loaded.
    const { default: dataSource } = jest.requireActual<{ default: DataSource }>('../ormconfig');
    try {
      await dataSource.initialize();
      const [statement] = await dataSource.query('SHOW statement_timeout');
      const [idle] = await dataSource.query('SHOW idle_in_transaction_session_timeout');
      expect({ ...statement, ...idle }).toEqual({
        statement_timeout: '0',
        idle_in_transaction_session_timeout: '0',
      });
    } finally {
      await dataSource.destroy();
      if (before === undefined) delete process.env.DATABASE_URL;
      else process.env.DATABASE_URL = before;
      await database.drop();
    }
  });

  it('begins nothing in a database of another encoding than UTF8', async () => {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await onServer(
      `CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
    );
    const dataSource = new MigrationDataSource({ url: urlOf(name), log: () => undefined });
    await dataSource.initialize();
    try {
      await expect(dataSource.runMigrations()).rejects.toThrow(
        'The database has the encoding LATIN1; make one',
      );
      expect(await dataSource.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)).toEqual(
        [],
      );
    } finally {
      await dataSource.destroy();
      await onServer(`DROP DATABASE ${name}`);
    }
  });
});
