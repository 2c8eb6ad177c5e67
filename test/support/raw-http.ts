import { connect } from 'node:net';

const TICK_MS = 25;

/**
 * Sends bytes as they are and gives back everything that came until the other side closed or fell silent. Silence is
 * counted in turns of this process: a pause of the machine is one of them, however long.
 */
export function sendRaw(url: string, bytes: string, silenceMs = 1_000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(Number(port), hostname);
    let silentMs = 0;
    const finish = () => {
      clearInterval(ticks);
      socket.destroy();
      resolve(text);
    };
    const ticks = setInterval(() => {
      silentMs += TICK_MS;
      if (silentMs > silenceMs) finish();
    }, TICK_MS);
    socket.on('data', (chunk) => {
      silentMs = 0;
      text += chunk.toString('latin1');
    });
    socket.on('close', finish);
    socket.on('error', finish);
    socket.write(bytes);
  });
}

/** The status of a raw answer; 0 when there was none. */
export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
