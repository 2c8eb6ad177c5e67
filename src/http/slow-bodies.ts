import { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ApiException } from '../common/api.exception';

/** How long any body may take, in milliseconds, and how many bytes of it buy a second more. */
const PATIENCE_MS = 20_000;
const BYTES_PER_SECOND = 1_024;
/** And never more: what reads by the time of arrival allows an hour until the admission. */
const MOST_MS = 45 * 60_000;
const LOOK_EVERY_MS = 1_000;

/** What Node keeps on the socket of a connection: the request being parsed, and the answer whose turn it is. */
interface HttpSocket extends Socket {
  readonly parser?: { readonly incoming?: IncomingMessage | null } | null;
  readonly _httpMessage?: ServerResponse | null;
}

interface Begun {
  readonly at: number;
  /** Of its connection, by then. */
  readonly bytes: number;
}

/**
 * Ends requests whose body trickles in, on every route, the answered ones included: a client that sends a byte now and
 * then would keep its connection for as long as it likes. By looking at the connections once a second, so that it costs
 * the requests nothing.
 * @param answer what is said when there is no answer yet; it closes the connection
 */
export function endSlowBodies(
  server: Server,
  answer: (failure: ApiException, request: IncomingMessage, response: ServerResponse) => void,
): void {
  const sockets = new Set<HttpSocket>();
  const begun = new WeakMap<IncomingMessage, Begun>();
  server.on('connection', (socket: HttpSocket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const look = (socket: HttpSocket, now: number): void => {
    const request = socket.parser?.incoming;
    if (!request || request.complete) return;
    const response = socket._httpMessage;
    const since = begun.get(request);
    // Behind another answer it may be us who do not read on: its time begins with its turn.
    if (!since || (response && response.req !== request)) {
      begun.set(request, { at: now, bytes: socket.bytesRead });
      return;
    }
    const earned = ((socket.bytesRead - since.bytes) * 1_000) / BYTES_PER_SECOND;
    if (now - since.at < Math.min(MOST_MS, PATIENCE_MS + earned)) return;
    if (!response || response.headersSent) socket.destroy();
    else answer(bodyTimedOut(), request, response);
  };
  const timer = setInterval(() => {
    const now = performance.now();
    for (const socket of sockets) look(socket, now);
  }, LOOK_EVERY_MS).unref();
  server.once('close', () => clearInterval(timer));
}

const bodyTimedOut = (): ApiException =>
  new ApiException({
    status: 408,
    code: 'body_timeout',
    message: 'The request body did not arrive in time.',
    headers: { connection: 'close' },
  });
