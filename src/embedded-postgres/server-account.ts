import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whom the server runs as when we are root: PostgreSQL refuses to run as root itself. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const CANDIDATES = ['postgres', 'nobody'];

/** null: we are an ordinary user, and so is the server. @throws when root has nobody to hand over to */
export function serverAccount(passwd = '/etc/passwd'): ServerAccount | null {
  if (process.getuid?.() !== 0) return null;
  const accounts = readFileSync(passwd, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of CANDIDATES) {
    const fields = accounts.find(([account]) => account === name);
    if (fields) return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. Start as an ordinary user, or set DATABASE_URL.',
  );
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
