import type { Duplex } from 'node:stream';

const refused = new WeakSet<Duplex>();

/** Nothing that comes over it from here on is looked at (RFC 9112, 9.6): its end is decided, though not reached yet. */
export function refuseAllThatFollows(socket: Duplex): void {
  refused.add(socket);
}

export const isRefused = (socket: Duplex): boolean => refused.has(socket) || socket.writableEnded;
