import { METHODS, Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { requestIdHeaders } from '../common/anthropic-paths';
import { ApiException } from '../common/api.exception';
import { methodNotAllowed } from './allowed-methods';
import { isRefused, refuseAllThatFollows } from './refused-connections';

/** What is said of a request that Node's parser refused, before any route knew of it. */
export interface MalformedRequest {
  readonly failure: ApiException;
  /** As far as it could be read; '' when it could not. */
  readonly path: string;
  /** Of the request whose body broke; null when there is none yet. */
  readonly requestId: string | null;
}

export interface MalformedAnswer {
  readonly type: string;
  readonly text: string;
  readonly requestId: string;
}

interface Answering {
  readonly answer: (malformed: MalformedRequest) => MalformedAnswer;
  /** The methods of the routes at a path; none: there is no route at this path. */
  readonly methodsAt: (path: string) => readonly string[];
}

/** Of a request that Node's parser let through, and that is to be refused as what is no HTTP is. */
export class MalformedHead extends Error {
  constructor(
    message: string,
    /** Its own, which has not been begun. */
    readonly response: ServerResponse,
  ) {
    super(message);
  }
}

/**
 * Gives what is no HTTP, or of a method nobody knows, an answer of the house, where Node would send a bare status or
 * nothing; the connection ends with it. What is right and came before it is answered first.
 */
export function answerMalformedRequests(server: Server, { answer, methodsAt }: Answering): void {
  const refuse = (socket: HttpSocket, failure: ApiException, path: string): void => {
    const current = socket._httpMessage;
    // Bytes in the middle of another answer would be taken for a part of it.
    if (!socket.writable || current?.headersSent) return void socket.destroy();
    const id = current?.getHeader('x-request-id');
    const at = (current?.req.url ?? path).replace(/[?#].*/, '');
    const said = answer({ failure, path: at, requestId: typeof id === 'string' ? id : null });
    socket.end(responseOf(failure, at, said), () => socket.destroy());
  };
  server.on('clientError', (error: ParserError | MalformedHead, socket: HttpSocket) => {
    if (error instanceof MalformedHead)
      return inTurn(socket, error.response, () => refuse(socket, new ApiException(INVALID), ''));
    if (error.code === 'ECONNRESET') return socket.destroy();
    // A parser that has failed fails at all that follows.
    if (isRefused(socket) && socket.writable && !socket.writableEnded) return;
    const unknown = error.code === 'HPE_INVALID_METHOD' ? unknownMethod(error.rawPacket) : null;
    const refuseThis = unknown
      ? () => refuse(socket, refusalOf(unknown, methodsAt), unknown.path)
      : () =>
          refuse(socket, new ApiException(FAILURES[error.code ?? ''] ?? INVALID), pathOf(error.rawPacket));
    return error.code === LATE ? unlessItCame(socket, refuseThis) : inTurn(socket, null, refuseThis);
  });
  server.on('connect', (_request, socket: HttpSocket) =>
    // What it names is a host and no path of ours.
    inTurn(socket, null, () => refuse(socket, methodNotAllowed('CONNECT', []), '')),
  );
}

/** The answer that is to be given before that of what is refused now: of a request that has all come. */
const answerBefore = (socket: HttpSocket, own: ServerResponse | null): ServerResponse | null => {
  const current = socket._httpMessage ?? null;
  return current && current !== own && current.req.complete ? current : null;
};

/**
 * Answers come in the order of requests (RFC 9112, 9.3.2): whoever sent one that is right before is told that first.
 * @param own the answer of what is refused, when Node has made one
 */
function inTurn(socket: HttpSocket, own: ServerResponse | null, refuse: () => void): void {
  const before = answerBefore(socket, own);
  if (!before) return refuse();
  if (!isRefused(socket)) {
    refuseAllThatFollows(socket);
    // Node would have ended the connection with a parser that has not failed.
    socket.once('end', () => socket.destroy());
  }
  before.once('close', () => {
    // Else that was the last one: what is left of it is being written.
    if (!socket.writableEnded) inTurn(socket, own, refuse);
  });
}

/** The head of a next request that takes its time may still come while the answer before it is given. */
function unlessItCame(socket: HttpSocket, refuse: () => void): void {
  const before = answerBefore(socket, null);
  if (!before) return refuse();
  before.once('close', () => {
    if (!socket._httpMessage && !socket.writableEnded) refuse();
  });
}

/** With what Node keeps on it: the answer whose turn it is; Node's own handling of errors goes by it, too. */
type HttpSocket = Duplex & { readonly _httpMessage?: ServerResponse | null };

interface ParserError extends NodeJS.ErrnoException {
  /** What was being parsed. */
  readonly rawPacket?: Buffer;
}

const LATE = 'ERR_HTTP_REQUEST_TIMEOUT';

const INVALID = { status: 400, code: 'invalid_http', message: 'The request is not valid HTTP/1.1.' };

const FAILURES: Readonly<Record<string, { status: number; code: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'headers_too_large',
    message: 'The request line and headers are larger than the 16 KiB this gateway accepts.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'body_too_large',
    message: 'The chunk extensions of the body are too large.',
  },
  [LATE]: {
    status: 408,
    code: 'request_timeout',
    message: 'The request did not arrive in time.',
  },
};

/** A request line that is right but for its method: Node knows those of its list, and takes all others for no HTTP. */
const REQUEST_LINE = /^([A-Z]{1,64}) (\/[^ ?#\r\n]*)\S* HTTP\/1\.[01]\r\n/;

/** Null where the packet begins with something else, such as a request before the one that was refused. */
function unknownMethod(packet: Buffer | undefined): { method: string; path: string } | null {
  const [, method, path] = REQUEST_LINE.exec(packet?.toString('latin1', 0, 1_024) ?? '') ?? [];
  return method === undefined || path === undefined || METHODS.includes(method) ? null : { method, path };
}

function refusalOf(
  { method, path }: { method: string; path: string },
  methodsAt: Answering['methodsAt'],
): ApiException {
  let allowed: readonly string[];
  try {
    allowed = methodsAt(path);
  } catch {
    // A broken % in the path.
    return new ApiException(INVALID);
  }
  return allowed.length > 0
    ? methodNotAllowed(method, allowed)
    : new ApiException({ status: 404, code: 'not_found', message: 'There is no such route.' });
}

function pathOf(packet: Buffer | undefined): string {
  const line = packet?.toString('latin1', 0, 1_024) ?? '';
  return /^\S+ (\/[^ ?#\r\n]*)/.exec(line)?.[1] ?? '';
}

function responseOf(failure: ApiException, path: string, { type, text, requestId }: MalformedAnswer): string {
  const status = failure.getStatus();
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    ...Object.entries({ ...requestIdHeaders(path, requestId), ...failure.headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    '',
    text,
  ].join('\r\n');
}
