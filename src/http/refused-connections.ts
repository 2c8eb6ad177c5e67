import type { Duplex } from 'node:stream';

const refused = new WeakSet<Duplex>();

/** Nothing that comes over it from here on is looked at (RFC 9112, 9.6): its end is decided, though not reached yet. */
export function refuseAllThatFollows(socket: Duplex): void {
  refused.add(socket);
}

export const isRefused = (socket: Duplex): boolean => refused.has(socket) || socket.writableEnded;

/** No client goes on for so long: Node keeps an answer for each of them, until what came before has been answered. */
const MOST_IGNORED = 100;
const ignored = new WeakMap<Duplex, number>();

/** One more request came over a refused connection. */
export function ignoreRequest(socket: Duplex): void {
  const count = (ignored.get(socket) ?? 0) + 1;
  ignored.set(socket, count);
  if (count > MOST_IGNORED) socket.destroy();
}
