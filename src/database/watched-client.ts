import type { Socket } from 'node:net';
import { Client, ClientConfig } from 'pg';

/** What an answer may take on its way, the "no" of PostgreSQL at the end of its own patience included. */
const ON_ITS_WAY_MS = 2_000;

/** Never shorter than PostgreSQL's own patience with a statement: whose answer is still to come is not cut off. */
export const silenceBeyond = (statementTimeoutMs: number): number => statementTimeoutMs + ON_ITS_WAY_MS;

export interface WatchedClientConfig extends ClientConfig {
  /** How long PostgreSQL may say nothing while it is waited for, in milliseconds. */
  readonly silenceMs?: number;
}

/**
 * A connection that breaks when nothing has passed it for some time, as a firewall leaves one that it has forgotten: it
 * says neither yes nor no, and the kernel would wait for a quarter of an hour. What was asked over it fails, and its pool
 * makes another one. An idle connection is closed by its pool long before.
 */
export class WatchedClient extends Client {
  private readonly socket: Socket;
  private readonly silenceMs: number;

  constructor(config: WatchedClientConfig = {}) {
    super(config);
    this.silenceMs = config.silenceMs ?? 0;
    // The one below TLS, if there is any: bytes pass it all the same.
    this.socket = this.connection.stream as Socket;
    this.socket.on('timeout', () =>
      this.socket.destroy(new Error('PostgreSQL has said nothing for too long; the connection is given up.')),
    );
    this.socket.setTimeout(this.silenceMs);
  }

  /** For work whose statements may take longer than others; it takes that back with `allowUsualSilence`. */
  allowSilence(milliseconds: number): void {
    this.socket.setTimeout(milliseconds);
  }

  allowUsualSilence(): void {
    this.socket.setTimeout(this.silenceMs);
  }

  /** What comes next is read in another turn of the event loop: libuv else reads 32 times in one while there is something. */
  breathe(): void {
    const { stream } = this.connection;
    stream.pause();
    setImmediate(() => stream.resume());
  }
}
