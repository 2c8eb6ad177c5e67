import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whom the server runs as when we are root: PostgreSQL refuses to run as root itself. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const CANDIDATES = ['postgres', 'nobody'];

/**
 * Whom a new database is given to; null: we are an ordinary user, and so is the server.
 * @throws when root has nobody to hand over to
 */
export function accountOfNew(): ServerAccount | null {
  if (process.getuid?.() !== 0) return null;
  const all = accounts();
  for (const name of CANDIDATES) {
    const found = all.find((account) => account.name === name);
    if (found) return found;
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. Start as an ordinary user, or set DATABASE_URL.',
  );
}

/**
 * Whom a database belongs to, for PostgreSQL runs as nobody else; null: to us.
 * @throws in one sentence when we cannot run it as its owner
 */
export function accountOf(directory: string): ServerAccount | null {
  const we = process.getuid?.();
  const { uid, gid } = statSync(directory);
  if (we === undefined || (we === uid && uid !== 0)) return null;
  const name = accounts().find((account) => account.uid === uid)?.name ?? `user ${uid}`;
  if (we !== 0) throw new Error(`${directory} belongs to ${name}: start as ${name}, or as root.`);
  if (uid !== 0) return { name, uid, gid };
  throw new Error(
    `${directory} belongs to root, and PostgreSQL does not run as root: give it to another account (chown -R).`,
  );
}

function accounts(): ServerAccount[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  } catch {
    return [];
  }
}

/** Whether every directory above a path lets the account through. */
export function canReach(path: string, account: ServerAccount): boolean {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    if (!mayEnter(directory, account)) return false;
    if (directory === dirname(directory)) return true;
  }
}

export function mayEnter(directory: string, { uid, gid }: ServerAccount): boolean {
  const found = statSync(directory);
  if (found.uid === uid) return (found.mode & 0o100) !== 0;
  if (found.gid === gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}
