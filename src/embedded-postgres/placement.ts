import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { accountOf, accountOfNew, canReach, mayEnter, ServerAccount } from './server-account';
import { commonHome } from './server-files';

/** Where a database is, or is to be made. */
export interface Place {
  readonly directory: string;
  /** Whom its server runs as; null: as we do. */
  readonly account: ServerAccount | null;
  /** For one that is to be made somewhere else than it was asked for: the file that tells where, once it is there. */
  readonly note: string | null;
}

/**
 * Where the database really is. As an ordinary user: in `dataDir`. As root the server runs as another account, which
 * must be able to come there: the directory around `dataDir` is opened for that account's group alone; when something
 * above is closed too, as a home directory is, a new database is made elsewhere, and a file beside `dataDir` tells where.
 * One that exists stays where it is and whose it is.
 * @throws Error in one sentence when it is somewhere we cannot run it
 */
export async function placeOf(dataDir: string): Promise<Place> {
  mkdirSync(dirname(resolve(dataDir)), { recursive: true, mode: 0o700 });
  const wanted = spelled(dataDir) as string;
  const existing = existingPlace(dataDir);
  const { directory, account } = existing ?? { directory: wanted, account: accountOfNew() };
  if (!account) return { directory, account, note: null };
  const parent = dirname(directory);
  if (canReach(parent, account)) {
    openFor(parent, account);
    return { directory, account, note: null };
  }
  if (existing) {
    throw new Error(
      `${directory} belongs to ${account.name}, who may not come there: open the directories above it, or start as ${account.name}.`,
    );
  }
  const elsewhere = join(await commonHome(), randomBytes(8).toString('hex'));
  return { directory: elsewhere, account, note: noteOf(wanted) };
}

/**
 * Where a database is; null when there is none yet. Changes nothing.
 * @throws Error in one sentence when it is gone, or ours to run is another one
 */
export function existingPlace(dataDir: string): Place | null {
  const wanted = spelled(dataDir);
  if (wanted === null) return null;
  const isHere = holdsDatabase(wanted);
  // What an ordinary user has here is theirs, whatever root may have made of it elsewhere.
  const noted = isHere && process.getuid?.() !== 0 ? null : readNote(noteOf(wanted));
  if (isHere && noted !== null) {
    throw new Error(
      `There are two databases, ${wanted} and the one that ${noteOf(wanted)} names: remove that file, or move ${wanted} away.`,
    );
  }
  if (noted !== null && !holdsDatabase(noted)) {
    throw new Error(
      `${noteOf(wanted)} says that the database is in ${noted}, and there is none: bring it back, or remove that file to begin with an empty one.`,
    );
  }
  const directory = isHere ? wanted : noted;
  return directory === null ? null : { directory, account: accountOf(directory), note: null };
}

/** Writes down where a new database is. @returns where it is: of several starters, one decides */
export function keepNote(note: string, directory: string): string {
  const draft = `${note}.${randomBytes(6).toString('hex')}`;
  // Nothing secret: an ordinary user who starts later is told by it that the database is somebody else's.
  writeFileSync(draft, `${directory}\n`, { mode: 0o644 });
  try {
    linkSync(draft, note);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readNote(note) ?? directory;
}

const noteOf = (wanted: string) => `${wanted}.location`;

/** One spelling for everybody, as the server is recognised by its path; null when there is not even a directory around. */
function spelled(dataDir: string): string | null {
  try {
    const path = resolve(dataDir);
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return null;
  }
}

function readNote(note: string): string | null {
  try {
    return readFileSync(note, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${note} names where the database is, and may not be read: start as root.`, {
      cause: error,
    });
  }
}

/** What may not be looked into is taken for one. */
function holdsDatabase(directory: string): boolean {
  try {
    return statSync(join(directory, 'cluster')).isDirectory();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** Lets the account pass through a directory of ours, without letting it read what is there. */
function openFor(directory: string, account: ServerAccount): void {
  if (mayEnter(directory, account)) return;
  chownSync(directory, statSync(directory).uid, account.gid);
  chmodSync(directory, 0o710);
}
