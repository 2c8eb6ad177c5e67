import { join } from 'node:path';
import { loadEnv } from '../src/config/load-env';
import { EmbeddedPostgres, startEmbeddedPostgres } from '../src/embedded-postgres/embedded-postgres';
import { connectionShortage } from '../src/startup/connections-needed';
import { DataDirectory } from '../src/startup/data-directory';
import { provideDatabase } from '../src/startup/database';
import { StartupLog } from '../src/startup/startup-log';
import { cleanUp, emptyFolder } from './support/gateway-process';

describe('an embedded database that somebody else has started', () => {
  const folder = emptyFolder();
  let first: EmbeddedPostgres;

  beforeAll(async () => {
    const settings = { max_connections: '50', fsync: 'off', full_page_writes: 'off' };
    first = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings });
  }, 180_000);
  afterAll(async () => {
    await first.stop();
    await cleanUp();
  });

  it('tells a gateway that joins it how many connections it allows, and what is off there', async () => {
    const env = loadEnv({ DATA_DIR: folder, WORKERS: '2', DATABASE_POOL_SIZE: '40' });
    const joined = await provideDatabase(env, new DataDirectory(env.DATA_DIR), new StartupLog(env));
    try {
      expect(joined.unsafe).toBe('fsync and full_page_writes');
      expect(joined.connections).toBe(50);
      expect(connectionShortage(env, joined.connections, true)).toContain('may open 84');
    } finally {
      await joined.stop();
    }
  });
});
