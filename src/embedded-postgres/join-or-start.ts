import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster';
import { Membership } from './membership';
import type { ServerProcess } from './server-process';

/** Recovering from a crash may take a server this long. */
const START_PATIENCE_MS = 120_000;
const LOOK_AGAIN_MS = 50;
/** A port may be taken in the last moment, and backends of a killed server linger; more failures have another reason. */
const MAX_SPAWNS = 6;
const FIRST_PAUSE_MS = 100;

/**
 * Joins the server of a cluster, and starts it before when there is none.
 * @param port where to start it; left out, where it was last time, or anywhere
 * @throws Error in one sentence, with the server's last complaint, when it cannot be had
 */
export async function joinOrStart(
  cluster: Cluster,
  server: ServerProcess,
  log: (line: string) => void,
  port?: number,
): Promise<Membership> {
  const deadline = Date.now() + START_PATIENCE_MS;
  let spawns = 0;
  while (Date.now() < deadline) {
    const written = await server.port();
    const membership = written === null ? null : await Membership.join(cluster, written);
    if (membership) {
      await server.rememberPort(membership.port);
      log(`PostgreSQL answers on port ${membership.port}`);
      return membership;
    }
    const { inTheWay } = server;
    if (inTheWay !== null) throw new Error(inTheWay);
    if (!server.isAlive) {
      if (spawns === MAX_SPAWNS) break;
      if (spawns > 0) await sleep(FIRST_PAUSE_MS * 2 ** (spawns - 1));
      // Of several starters at once PostgreSQL lets one server live; the others join it.
      spawns += 1;
      if (!server.isAlive) await server.spawn(port);
    }
    await sleep(LOOK_AGAIN_MS);
  }
  throw new Error(`PostgreSQL in ${cluster.directory} does not answer: ${server.complaint()}`);
}
