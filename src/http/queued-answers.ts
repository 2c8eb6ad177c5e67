import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const queued = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Closes an answer that waits behind another one of its connection when that connection closes. Node tells only the
 * answer whose turn it is, and a generation whose client has left would run on.
 */
export function closeWithItsConnection({ socket }: IncomingMessage, response: ServerResponse): void {
  // Set when it is its turn.
  if (response.socket !== null) return;
  const waiting = queued.get(socket) ?? watch(socket);
  waiting.add(response);
  response.once('close', () => waiting.delete(response));
}

function watch(socket: Socket): Set<ServerResponse> {
  const waiting = new Set<ServerResponse>();
  queued.set(socket, waiting);
  socket.once('close', () => waiting.forEach(close));
  return waiting;
}

function close(response: ServerResponse): void {
  if (response.socket !== null || response.writableFinished) return;
  response.destroy();
  response.emit('close');
}
