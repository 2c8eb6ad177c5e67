import { connect } from 'node:net';

/** Sends bytes as they are and gives back everything that came until the other side closed or fell silent. */
export function sendRaw(url: string, bytes: string, silenceMs = 300): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(Number(port), hostname);
    const finish = () => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(silenceMs, finish);
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', finish);
    socket.on('error', finish);
    socket.write(bytes);
  });
}

/** The status of a raw answer; 0 when there was none. */
export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
