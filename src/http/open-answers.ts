import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Node keeps on the socket the answer whose turn it is, until the kernel has all of it. */
interface HttpSocket extends Socket {
  readonly _httpMessage?: ServerResponse | null;
}

const connections = new WeakMap<Server, Set<HttpSocket>>();

/** Lets `hasOpenAnswers` know the connections of a server. By looking at them then, so that it costs the requests nothing. */
export function watchAnswers(server: Server): void {
  const sockets = new Set<HttpSocket>();
  connections.set(server, sockets);
  server.on('connection', (socket: HttpSocket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

/** Whether anybody is being answered: not who sends nothing, and not who is still sending. */
export function hasOpenAnswers(server: Server): boolean {
  for (const { _httpMessage: answer } of connections.get(server) ?? []) if (answer?.req.complete) return true;
  return false;
}
