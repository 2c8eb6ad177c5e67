import { Cluster, DATABASE, ROLE } from './cluster';
import type { EmbeddedPostgres } from './embedded-postgres';
import { Membership } from './membership';
import { existingPlace } from './placement';
import { Postmaster } from './postmaster';
import { serverFiles } from './server-files';
import { ServerProcess } from './server-process';

/**
 * Joins the server of a directory if one runs there, so that it stays until we leave; null when none runs. Makes and
 * changes nothing.
 * @throws Error in one sentence when the database is gone, or not ours to use
 */
export async function joinRunningPostgres(dataDir: string): Promise<EmbeddedPostgres | null> {
  const place = existingPlace(dataDir);
  if (!place) return null;
  const { directory, account } = place;
  const cluster = new Cluster(directory, account);
  const port = await new Postmaster(cluster.data).port();
  const membership = port === null ? null : await Membership.join(cluster, port);
  if (!membership) return null;
  const password = encodeURIComponent(await cluster.password());
  // Everybody else has left meanwhile.
  const stopServer = async () => new ServerProcess(cluster, await serverFiles(account), {}).stop();
  return {
    url: `postgresql://${ROLE}:${password}@127.0.0.1:${membership.port}/${DATABASE}`,
    directory,
    stop: () => membership.leave(stopServer, () => undefined),
  };
}
