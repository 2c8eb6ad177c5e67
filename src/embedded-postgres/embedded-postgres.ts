import { rm } from 'node:fs/promises';
import { Cluster, DATABASE, ROLE } from './cluster';
import { PlaceAmongUsers } from './place-among-users';
import { keepNote, Place, placeOf } from './placement';
import { ServerFiles, serverFiles } from './server-files';
import { ServerProcess } from './server-process';

export interface EmbeddedPostgresOptions {
  /** Where the database lives; made when it is not there. Processes that name the same directory share one server. */
  readonly dataDir: string;
  readonly log?: (line: string) => void;
  /** Told, in one sentence, when the server has come back somewhere else: the url is of no use any more. */
  readonly onMoved?: (sentence: string) => void;
  /** Further settings of postgresql.conf, for the process that starts the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** postgresql://… of the database, with its password. */
  readonly url: string;
  /** Where the database really is, which need not be where it was asked for. */
  readonly directory: string;
  /** Leaves the server; the last one to leave stops it. */
  stop(): Promise<void>;
}

/**
 * A real PostgreSQL from npm packages. A server that runs already, ours or an orphan of a process that was killed, is
 * joined; otherwise one is started, which does not end with this process but with its last user.
 * @throws Error in one sentence when it cannot be had
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const where = await placeOf(options.dataDir);
  const files = await serverFiles(where.account);
  const cluster = await clusterAt(where, files, log);
  const server = new ServerProcess(cluster, files, options.settings ?? {});

  const place = await PlaceAmongUsers.take(cluster, server, log, options.onMoved);
  const password = encodeURIComponent(await cluster.password());
  return {
    url: `postgresql://${ROLE}:${password}@127.0.0.1:${place.port}/${DATABASE}`,
    directory: cluster.directory,
    stop: () => place.leave(),
  };
}

/** Makes the database when there is none. Only one that is whole is written down: a note is believed. */
async function clusterAt(
  { directory, account, note }: Place,
  files: ServerFiles,
  log: (line: string) => void,
): Promise<Cluster> {
  const cluster = new Cluster(directory, account);
  await cluster.ensure(files, log);
  const decided = note === null ? directory : keepNote(note, directory);
  if (decided === directory) return cluster;
  await rm(directory, { recursive: true });
  return new Cluster(decided, account);
}
