import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cleanUp,
  databasePortOf,
  emptyFolder,
  ensureBuilt,
  listens,
  startProcess,
} from '../support/gateway-process';

beforeAll(ensureBuilt);
afterAll(cleanUp);

it('says which server to end when a folder was renamed under one that a killed gateway left, and then starts', async () => {
  const parent = emptyFolder();
  const [before, after] = [join(parent, 'before'), join(parent, 'after')] as const;
  mkdirSync(before, { mode: 0o755 });
  const killed = await startProcess(before);
  await killed.ready();
  killed.kill('SIGKILL');
  await killed.ended;
  renameSync(before, after);
  const pidFile = join(after, 'data/postgres/cluster/postmaster.pid');
  const written = readFileSync(pidFile, 'utf8');
  const pid = Number(written.split('\n')[0]);
  try {
    const refused = await startProcess(after);
    expect(await refused.ended).toBe(1);
    expect(refused.errors()).toMatch(
      new RegExp(
        `^The embedded PostgreSQL .* did not start: Its server .* ${pid}, and was .*kill -INT ${pid}\\).*\\n$`,
      ),
    );
    // Of a server that lives; without it, any other might start beside it.
    expect(readFileSync(pidFile, 'utf8')).toBe(written);
  } finally {
    process.kill(pid, 'SIGINT');
  }
  while (await listens(databasePortOf(killed))) await sleep(50);

  const gateway = await startProcess(after);
  await gateway.ready();
  gateway.kill('SIGTERM');
  expect(await gateway.ended).toBe(0);
});
