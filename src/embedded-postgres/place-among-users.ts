import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, DATABASE } from './cluster';
import { joinOrStart } from './join-or-start';
import { Membership } from './membership';
import type { ServerProcess } from './server-process';

const TRY_AGAIN_MS = 5_000;

/**
 * Our place among the users of a server, taken again, with a new server, when the server dies under us. It comes back on
 * the port it had, which our connections know.
 */
export class PlaceAmongUsers {
  private readonly gone = new AbortController();
  private leaving?: Promise<void>;
  private rejoining: Promise<void> = Promise.resolve();

  private constructor(
    private readonly cluster: Cluster,
    private readonly server: ServerProcess,
    private readonly log: (line: string) => void,
    private readonly onMoved: (sentence: string) => void,
    private membership: Membership,
  ) {
    this.watch();
  }

  /** @throws Error in one sentence when there can be no server */
  static async take(
    cluster: Cluster,
    server: ServerProcess,
    log: (line: string) => void,
    onMoved: (sentence: string) => void = log,
  ): Promise<PlaceAmongUsers> {
    const membership = await joinOrStart(cluster, server, log);
    const place = new PlaceAmongUsers(cluster, server, log, onMoved, membership);
    try {
      await membership.ensureDatabase(DATABASE);
      return place;
    } catch (error) {
      await place.leave();
      throw error;
    }
  }

  get port(): number {
    return this.membership.port;
  }

  /** Leaves the server, and stops it when nobody else is there. */
  leave(): Promise<void> {
    this.leaving ??= this.leaveOnce();
    return this.leaving;
  }

  private async leaveOnce(): Promise<void> {
    this.gone.abort();
    // Otherwise the server that is just being started would have no user who stops it.
    await this.rejoining;
    await this.membership.leave(() => this.server.stop(), this.log);
  }

  private watch(): void {
    this.membership.onLost(() => {
      if (!this.gone.signal.aborted) this.rejoining = this.rejoin();
    });
  }

  private async rejoin(): Promise<void> {
    this.log('the embedded PostgreSQL went away; starting it again');
    const { port } = this;
    let said = '';
    while (!this.gone.signal.aborted) {
      try {
        this.membership = await joinOrStart(this.cluster, this.server, this.log, port);
        if (this.port === port) return this.watch();
        return this.onMoved(
          `The embedded PostgreSQL has been started by another process, on port ${this.port} and not ${port}: start again.`,
        );
      } catch (error) {
        const { message } = error as Error;
        if (message !== said) this.log(message);
        said = message;
        await sleep(TRY_AGAIN_MS, undefined, { signal: this.gone.signal }).catch(() => undefined);
      }
    }
  }
}
