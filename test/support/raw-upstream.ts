import { createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

const MODELS = JSON.stringify({
  object: 'list',
  data: [{ id: 'served', object: 'model', max_model_len: 32_768 }],
});
const json = (text: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

/** What answers in place of vLLM, byte by byte as a test has it. */
export interface RawUpstream {
  readonly url: string;
  /** Answers a generation. Gets the number of the connection's generations so far, this one included. */
  answer: (socket: Socket, count: number) => void;
  readonly close: () => void;
}

export async function startRawUpstream(): Promise<RawUpstream> {
  const sockets = new Set<Socket>();
  const upstream: Pick<RawUpstream, 'answer'> = { answer: (socket) => socket.destroy() };
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
    let bytes = '';
    let count = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1');
      for (let request = firstOf(bytes); request !== null; request = firstOf(bytes)) {
        bytes = bytes.slice(request.length);
        if (request.startsWith('GET /v1/models ')) socket.write(json(MODELS));
        else if (!request.includes('/completions HTTP/1.1\r\n')) socket.end('HTTP/1.1 404 x\r\n\r\n');
        else upstream.answer(socket, (count += 1));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(upstream, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
}

/** The first whole request in what has come; null: it is not whole yet. */
function firstOf(bytes: string): string | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const length = end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(bytes.slice(0, end))?.[1] ?? 0);
  return bytes.length < length ? null : bytes.slice(0, length);
}
