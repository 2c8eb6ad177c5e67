import { Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ApiException } from '../common/api.exception';

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

/** Gives what is no HTTP an answer of the house, where Node would send a bare status; the connection ends with it. */
export function answerMalformedRequests(
  server: Server,
  answer: (malformed: MalformedRequest) => MalformedAnswer,
): void {
  server.on('clientError', (error: ParserError, socket: Duplex) => {
    // The answer whose turn it is on this connection: Node's own handler of this event goes by it too.
    const { _httpMessage: current } = socket as { _httpMessage?: ServerResponse | null };
    // Bytes in the middle of another answer would be taken for a part of it.
    if (error.code === 'ECONNRESET' || !socket.writable || current?.headersSent) return socket.destroy();
    const failure = new ApiException(FAILURES[error.code ?? ''] ?? INVALID);
    const id = current?.getHeader('x-request-id');
    const { type, text, requestId } = answer({
      failure,
      path: current?.req.url ?? pathOf(error.rawPacket),
      requestId: typeof id === 'string' ? id : null,
    });
    socket.end(responseOf(failure.getStatus(), { type, text, requestId }), () => socket.destroy());
  });
}

interface ParserError extends NodeJS.ErrnoException {
  /** What was being parsed. */
  readonly rawPacket?: Buffer;
}

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
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'request_timeout',
    message: 'The request did not arrive in time.',
  },
};

function pathOf(packet: Buffer | undefined): string {
  const line = packet?.toString('latin1', 0, 1_024) ?? '';
  return /^\S+ (\/[^ ?#\r\n]*)/.exec(line)?.[1] ?? '';
}

function responseOf(status: number, { type, text, requestId }: MalformedAnswer): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `x-request-id: ${requestId}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    '',
    text,
  ].join('\r\n');
}
