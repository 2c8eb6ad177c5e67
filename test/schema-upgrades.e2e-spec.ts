import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../src/database/data-source-options';
import { onServer, urlOf } from './support/postgres';

/** Replicas of so many versions before may still serve while the newest migrations are in. */
const VERSIONS = 3;

/** What a gateway names in its statements: columns with their types, functions with arguments and result. */
const NAMED = `SELECT format('%s.%s %s', table_name, column_name, udt_name) AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE 'usage\\_records\\_%'
  UNION ALL SELECT format('%s(%s) %s', proname, pg_get_function_identity_arguments(oid), pg_get_function_result(oid))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
  ORDER BY 1`;

describe('the newest migrations', () => {
  const database = `test_${randomBytes(6).toString('hex')}`;
  let dataSource: DataSource;

  beforeAll(async () => {
    await onServer(`CREATE DATABASE ${database}`);
    dataSource = new DataSource(dataSourceOptions({ url: urlOf(database), poolSize: 1 }));
    await dataSource.initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await onServer(`DROP DATABASE ${database} WITH (FORCE)`);
  });

  it('leave everything that the versions before name in their statements, which may go on serving', async () => {
    const all = [...dataSource.migrations];
    const named = async () => (await dataSource.query<{ name: string }[]>(NAMED)).map(({ name }) => name);
    dataSource.migrations.splice(all.length - VERSIONS);
    await dataSource.runMigrations();
    for (const migration of all.slice(-VERSIONS)) {
      const before = await named();
      expect(before.length).toBeGreaterThan(100);
      dataSource.migrations.push(migration);
      await dataSource.runMigrations();
      expect(await named()).toEqual(expect.arrayContaining(before));
    }
  });
});
