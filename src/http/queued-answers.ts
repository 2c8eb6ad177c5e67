import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What waits behind the answer of a connection whose turn it is, in its order. */
interface Line {
  readonly waiting: Set<ServerResponse>;
  last: ServerResponse;
  /** How many of them have not been looked at yet. */
  unseen: number;
}

/** No client sends so many that have to wait for the one before; they would be kept for nothing. */
const MOST_UNSEEN = 100;

const lines = new WeakMap<Socket, Line>();

/**
 * Serves a request. When its answer waits behind another one of its connection, it is closed when that connection closes:
 * Node tells only the answer whose turn it is, and a generation whose client has left would run on.
 *
 * Behind an answer that may end the connection it is served when that has not done so (RFC 9112, 9.6): a generation would
 * run, and be billed, for an answer that is never sent.
 */
export function serveInLine({ socket }: IncomingMessage, response: ServerResponse, serve: () => void): void {
  // Set when it is its turn, as it is at once for all who do not pipeline.
  if (response.socket !== null) return serve();
  const line = lines.get(socket) ?? watch(socket, response);
  // Else all that waited has been answered.
  const before = line.waiting.has(line.last) ? line.last : currentOf(socket);
  line.last = response;
  line.waiting.add(response);
  response.once('close', () => line.waiting.delete(response));
  if (!before || !mayEndConnection(before)) return serve();
  line.unseen += 1;
  if (line.unseen > MOST_UNSEEN) return void socket.destroy();
  before.once('close', () => {
    line.unseen -= 1;
    if (!socket.destroyed && !socket.writableEnded) serve();
  });
}

/** Node keeps on the socket the answer whose turn it is. */
const currentOf = (
  socket: Socket & { readonly _httpMessage?: ServerResponse | null },
): ServerResponse | null => socket._httpMessage ?? null;

/**
 * In HTTP/1.0 the end of the connection is that of an answer whose length is not known beforehand, whatever the client
 * would like; in HTTP/1.1 the answer says so. Behind a client's own `Connection: close` Node's parser reads nothing.
 */
const mayEndConnection = (response: ServerResponse): boolean =>
  response.req.httpVersionMinor === 0 || response.getHeader('connection') === 'close';

function watch(socket: Socket, first: ServerResponse): Line {
  const line: Line = { waiting: new Set(), last: first, unseen: 0 };
  lines.set(socket, line);
  socket.once('close', () => line.waiting.forEach(close));
  return line;
}

function close(response: ServerResponse): void {
  if (response.socket !== null || response.writableFinished) return;
  response.destroy();
  response.emit('close');
}
