import { existsSync } from 'node:fs';
import { Cluster, DATABASE, ROLE } from './cluster';
import type { EmbeddedPostgres } from './embedded-postgres';
import { Membership } from './membership';
import { placeOf } from './placement';
import { serverAccount } from './server-account';
import { serverFiles } from './server-files';
import { ServerProcess } from './server-process';

/** Joins the server of a directory if one runs there, so that it stays until we leave; null when none runs. */
export async function joinRunningPostgres(dataDir: string): Promise<EmbeddedPostgres | null> {
  if (!existsSync(dataDir) && !existsSync(`${dataDir}.location`)) return null;
  const account = serverAccount();
  const cluster = new Cluster(await placeOf(dataDir, account), account);
  if (!existsSync(cluster.data)) return null;
  const server = new ServerProcess(cluster, await serverFiles(account), {});
  const port = await server.port();
  const membership = port === null ? null : await Membership.join(cluster, port);
  if (!membership) return null;
  const password = encodeURIComponent(await cluster.password());
  return {
    url: `postgresql://${ROLE}:${password}@127.0.0.1:${membership.port}/${DATABASE}`,
    stop: () => membership.leave(() => server.stop()),
  };
}
