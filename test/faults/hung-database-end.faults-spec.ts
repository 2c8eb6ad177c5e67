import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import {
  cleanUp,
  databasePortOf,
  emptyFolder,
  ensureBuilt,
  listens,
  startProcess,
} from '../support/gateway-process';

/** Long beyond what an end may take on a slow machine. */
const PATIENCE_MS = 180_000;

beforeAll(ensureBuilt);
afterAll(cleanUp);

it('SIGTERM ends a gateway whose embedded PostgreSQL hangs, which is left running, with a word', async () => {
  const folder = emptyFolder();
  const gateway = await startProcess(folder, { SHUTDOWN_GRACE_MS: '1000' });
  await gateway.ready();
  const port = databasePortOf(gateway);
  const dataDir = join(folder, 'data/postgres');
  const [postmaster = ''] = readFileSync(join(dataDir, 'cluster/postmaster.pid'), 'utf8').split('\n');
  const backends = execFileSync('pgrep', ['-P', postmaster], { encoding: 'utf8' }).trim().split('\n');
  const all = [postmaster, ...backends].map(Number);
  const signal = (name: NodeJS.Signals) => all.forEach((pid) => sendSignal(pid, name));
  try {
    signal('SIGSTOP');
    gateway.kill('SIGTERM');
    expect(await Promise.race([gateway.ended, sleep(PATIENCE_MS, 'it runs on', { ref: false })])).toBe(0);
    expect(gateway.output()).toContain(
      `the embedded PostgreSQL on port ${port} does not answer, and is left running`,
    );
  } finally {
    signal('SIGCONT');
  }

  // It is nobody's: the next one who uses it stops it.
  const next = await startEmbeddedPostgres({ dataDir });
  expect(next.url).toContain(`:${port}/`);
  await next.stop();
  expect(await listens(port)).toBe(false);
});

function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // A backend may have ended by itself.
  }
}
