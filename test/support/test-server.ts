import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';

const PREFIX = 'llm-gateway-test-';

/** Nothing here has to survive a power cut. */
const FAST = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  shared_buffers: '128MB',
};

export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** The embedded PostgreSQL in a directory of its own, for one test run. */
export async function startTestServer(): Promise<TestServer> {
  removeServersOfDeadRuns();
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres'), settings: FAST });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A test run that was killed leaves its server behind; the next one clears it away. */
function removeServersOfDeadRuns(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const directory = join(tmpdir(), name);
    try {
      const written = readFileSync(join(directory, 'postgres', 'cluster', 'postmaster.pid'), 'utf8');
      process.kill(Number(written.split('\n')[0]), 'SIGQUIT');
    } catch {
      // It was not running any more.
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
