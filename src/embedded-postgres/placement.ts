import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { canReach, mayEnter, ServerAccount } from './server-account';
import { commonHome } from './server-files';

/**
 * Where the database really is. As an ordinary user: in `dataDir`. As root the server runs as another account, which
 * must be able to come there: the directory around `dataDir` is opened for that account's group alone; when something
 * above is closed too, as a home directory is, the database moves out, and a file beside `dataDir` tells where to.
 */
export async function placeOf(dataDir: string, account: ServerAccount | null): Promise<string> {
  await mkdir(dirname(resolve(dataDir)), { recursive: true, mode: 0o700 });
  // One spelling for everybody: the server is recognised by its path.
  const parent = await realpath(dirname(resolve(dataDir)));
  const wanted = join(parent, basename(resolve(dataDir)));
  if (!account) return wanted;
  const note = `${wanted}.location`;
  if (existsSync(note)) return readFileSync(note, 'utf8').trim();
  if (!existsSync(wanted) || statSync(wanted).uid === account.uid) {
    if (canReach(parent, account)) {
      openFor(parent, account);
      return wanted;
    }
  }
  const elsewhere = join(await commonHome(), randomBytes(8).toString('hex'));
  return keepFirst(note, elsewhere);
}

/** Lets the account pass through a directory of ours, without letting it read what is there. */
function openFor(directory: string, account: ServerAccount): void {
  if (mayEnter(directory, account)) return;
  chownSync(directory, statSync(directory).uid, account.gid);
  chmodSync(directory, 0o710);
}

/** Of several starters, one decides. */
function keepFirst(path: string, text: string): string {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, `${text}\n`, { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(path, 'utf8').trim();
}
