import { mkdtempSync, rmSync } from 'node:fs';
import { FileHandle, open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Env } from '../../config/env';
import { ProcessIdentity } from '../leases/process-identity';
import { NO_TOKENS, Settlement } from '../token-usage';
import { SettlementSpool } from './settlement-spool.service';
import type { SpoolDirectory } from './spool-directory';
import { SpoolFile } from './spool-file';

const ignore = (): void => undefined;
const full = (): Error => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });

describe('SettlementSpool on a disk that fails for a while', () => {
  let env: Env;
  let folder: string;
  let spool: SettlementSpool;
  let identity: ProcessIdentity;
  let handles: FileHandle;

  beforeEach(async () => {
    env = { DATA_DIR: mkdtempSync(join(tmpdir(), 'gateway-spool-')), SPOOL_MAX_BYTES: 1_000_000 } as Env;
    identity = new ProcessIdentity();
    folder = join(env.DATA_DIR, 'spool', 'a-database');
    spool = new SettlementSpool(env, { own: () => Promise.resolve(folder) } as SpoolDirectory, identity);
    Object.assign((spool as unknown as { logger: object }).logger, {
      error: ignore,
      warn: ignore,
      log: ignore,
    });
    await spool.onModuleInit();
    const any = await open(join(env.DATA_DIR, 'any'), 'w');
    handles = Object.getPrototypeOf(any) as FileHandle;
    await any.close();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(env.DATA_DIR, { recursive: true, force: true });
  });

  /** What the next start would find after kill -9. */
  const found = async () => {
    const { settlements, unreadable } = await SpoolFile.of(folder, identity.id).read();
    return { requests: settlements.map(({ requestId }) => requestId), unreadable };
  };
  const failsAfter = (bytes: number) =>
    jest.spyOn(handles, 'appendFile').mockImplementationOnce(async function (this: FileHandle, text) {
      await this.write((text as string).slice(0, bytes));
      throw full();
    });

  it.each([0, 20])(
    'has all settlements in whole lines when one write ended after %i bytes',
    async (bytes) => {
      await spool.append(settlement('before'));
      failsAfter(bytes);
      await spool.append(settlement('refused'));
      expect(spool.isFull).toBe(true);
      await spool.append(settlement('after'));
      expect(await found()).toEqual({ requests: ['before', 'refused', 'after'], unreadable: 0 });
      expect(spool.isFull).toBe(false);
    },
  );

  it('does so when it was the very first write', async () => {
    failsAfter(20);
    await spool.append(settlement('refused'));
    await spool.append(settlement('after'));
    expect(await found()).toEqual({ requests: ['refused', 'after'], unreadable: 0 });
  });

  it('writes again what was written but never reached the disk', async () => {
    await spool.append(settlement('before'));
    const { size } = await stat(SpoolFile.of(folder, identity.id).path);
    jest.spyOn(handles, 'datasync').mockImplementationOnce(async function (this: FileHandle) {
      await this.truncate(size);
      throw full();
    });
    await spool.append(settlement('refused'));
    expect(spool.isFull).toBe(true);
    await spool.append(settlement('after'));
    expect(await found()).toEqual({ requests: ['before', 'refused', 'after'], unreadable: 0 });
  });

  it('is tried again by itself, also when nothing is left to be written, until something can be kept there', async () => {
    failsAfter(20);
    await spool.append(settlement('refused'));
    jest.spyOn(SpoolFile.prototype, 'remove').mockRejectedValueOnce(full());
    await spool.remove('refused');
    const { calls } = jest.spyOn(handles, 'writeFile').mockRejectedValueOnce(full()).mock;
    while (calls.length === 0) await sleep(10);
    // The next try is two seconds away.
    await sleep(50);
    expect([spool.isFull, calls.length]).toEqual([true, 1]);
    while (spool.isFull) await sleep(10);
    expect(calls.length).toBe(2);
  });

  it('is closed at the end, with what the disk had refused before', async () => {
    const appended = jest.spyOn(handles, 'appendFile');
    await spool.append(settlement('before'));
    const file = appended.mock.contexts[0] as FileHandle;
    failsAfter(20);
    await spool.append(settlement('refused'));
    expect(file.fd).toBeGreaterThan(0);
    await spool.onApplicationShutdown();
    expect(await found()).toEqual({ requests: ['before', 'refused'], unreadable: 0 });
    expect(file.fd).toBe(-1);
  });

  it('does not write what PostgreSQL has taken meanwhile', async () => {
    await spool.append(settlement('before'));
    failsAfter(20);
    await spool.append(settlement('refused'));
    await spool.remove('refused');
    await spool.append(settlement('after'));
    expect(await found()).toEqual({ requests: ['before', 'after'], unreadable: 0 });
  });

  /** As while PostgreSQL is slow: there is always something held, and nearly all of the file has been committed. */
  const keepBusy = async (): Promise<void> => {
    const ids = Array.from({ length: 1_200 }, (_, index) => `${index}`);
    await Promise.all(ids.map((id) => spool.append(settlement(id))));
    for (const id of ids.slice(0, 1_100)) await spool.remove(id);
  };
  const HELD = Array.from({ length: 100 }, (_, index) => `${1_100 + index}`);

  it('holds no more than what is held once most of it has been committed', async () => {
    await keepBusy();
    await spool.append(settlement('next'));
    expect(await found()).toEqual({ requests: [...HELD, 'next'], unreadable: 0 });
    await spool.append(settlement('and on'));
    expect(await found()).toEqual({ requests: [...HELD, 'next', 'and on'], unreadable: 0 });
    for (const id of [...HELD, 'next', 'and on']) await spool.remove(id);
    await expect(found()).rejects.toThrow('ENOENT');
  });

  it('stays as it was when the disk has no room for another file', async () => {
    await keepBusy();
    const { datasync } = handles;
    jest.spyOn(handles, 'datasync').mockImplementationOnce(datasync).mockRejectedValueOnce(full());
    await spool.append(settlement('next'));
    expect((await found()).requests).toHaveLength(1_201);
    expect(spool.isFull).toBe(false);
    await spool.append(settlement('and on'));
    expect(await found()).toEqual({ requests: [...HELD, 'next', 'and on'], unreadable: 0 });
  });
});

function settlement(requestId: string): Settlement {
  return {
    requestId,
    userId: 'user',
    apiKeyId: null,
    endpoint: 'chat_completions',
    model: 'opencode-llm',
    stream: false,
    outcome: 'completed',
    source: 'exact',
    status: 200,
    usage: NO_TOKENS,
    timeToFirstTokenMs: null,
    durationMs: 1,
  };
}
