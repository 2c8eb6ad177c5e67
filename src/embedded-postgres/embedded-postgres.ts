import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, DATABASE, ROLE } from './cluster';
import { Membership } from './membership';
import { placeOf } from './placement';
import { serverAccount } from './server-account';
import { serverFiles } from './server-files';
import { ServerProcess } from './server-process';

export interface EmbeddedPostgresOptions {
  /** Where the database lives; made when it is not there. Processes that name the same directory share one server. */
  readonly dataDir: string;
  readonly log?: (line: string) => void;
  /** Further settings of postgresql.conf, for the process that starts the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** postgresql://… of the database, with its password. */
  readonly url: string;
  /** Leaves the server; the last one to leave stops it. */
  stop(): Promise<void>;
}

const START_PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 50;
/** A port may be taken in the last moment; more failures than this have another reason. */
const MAX_SPAWNS = 4;

/**
 * A real PostgreSQL from npm packages. A server that runs already, ours or an orphan of a process that was killed, is
 * joined; otherwise one is started, which does not end with this process but with its last user.
 * @throws Error in one sentence when it cannot be had
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const account = serverAccount();
  const files = await serverFiles(account);
  const cluster = new Cluster(await placeOf(options.dataDir, account), account);
  await cluster.ensure(files, log);
  const server = new ServerProcess(cluster, files, options.settings ?? {});

  let stopped = false;
  let membership = await joinOrStart(cluster, server, log);
  await membership.ensureDatabase(DATABASE);
  const rejoin = (): void => {
    if (stopped) return;
    log('the embedded PostgreSQL went away; starting it again');
    joinOrStart(cluster, server, log).then(
      (joined) => {
        membership = joined;
        membership.onLost(rejoin);
      },
      (error: Error) => log(error.message),
    );
  };
  membership.onLost(rejoin);

  const password = encodeURIComponent(await cluster.password());
  return {
    url: `postgresql://${ROLE}:${password}@127.0.0.1:${membership.port}/${DATABASE}`,
    stop: async () => {
      if (stopped) return;
      stopped = true;
      await membership.leave(() => server.stop());
    },
  };
}

async function joinOrStart(
  cluster: Cluster,
  server: ServerProcess,
  log: (line: string) => void,
): Promise<Membership> {
  const deadline = Date.now() + START_PATIENCE_MS;
  let spawns = 0;
  while (Date.now() < deadline) {
    const port = await server.port();
    const membership = port === null ? null : await Membership.join(cluster, port);
    if (membership) {
      log(`PostgreSQL answers on port ${membership.port}`);
      return membership;
    }
    if (!server.isAlive) {
      // Of several starters at once PostgreSQL lets one server live; the others join it.
      spawns += 1;
      if (spawns > MAX_SPAWNS) break;
      await server.spawn();
    }
    await sleep(LOOK_AGAIN_MS);
  }
  throw new Error(`PostgreSQL in ${cluster.directory} does not answer: ${server.complaint()}`);
}
