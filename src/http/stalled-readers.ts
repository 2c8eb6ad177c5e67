import type { Server } from 'node:http';
import type { Socket } from 'node:net';

const LOOK_EVERY_MS = 500;

/** What Node keeps on the socket: what the kernel has not taken yet is in the write queue of its handle. */
interface WaitingSocket extends Socket {
  readonly _handle?: { readonly writeQueueSize: number } | null;
}

interface Unread {
  /** performance.now() when this much was first seen to wait. */
  since: number;
  bytes: number;
}

/**
 * Closes connections whose client reads nothing of what is there for it, whatever the answer: a whole one, the tail of a
 * stream, a download. They would hold their answers in memory for as long as the client likes. By looking at the
 * connections twice a second, so that an answer which is written out at once costs nothing.
 */
export function endStalledReaders(server: Server, patienceMs: number): void {
  const unread = new Map<WaitingSocket, Unread | null>();
  server.on('connection', (socket: WaitingSocket) => {
    unread.set(socket, null);
    socket.once('close', () => unread.delete(socket));
  });
  const look = (socket: WaitingSocket, before: Unread | null, now: number): void => {
    // What has been written leaves it when the kernel has all of it; bytesWritten counts it before that.
    if (socket.writableLength === 0) {
      if (before) unread.set(socket, null);
      return;
    }
    const bytes = socket._handle?.writeQueueSize ?? 0;
    if (!before || before.bytes !== bytes) unread.set(socket, { since: now, bytes });
    else if (now - before.since >= patienceMs) socket.destroy();
  };
  let lookedAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // While this process stood still it took nothing from anybody: that its clients did not read was not theirs.
    const missed = now - lookedAt - 2 * LOOK_EVERY_MS;
    lookedAt = now;
    for (const [socket, before] of unread) {
      if (before && missed > 0) before.since += missed;
      look(socket, before, now);
    }
  }, LOOK_EVERY_MS).unref();
  server.once('close', () => clearInterval(timer));
}
