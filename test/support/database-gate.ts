import { connect, createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Stands between a gateway and its PostgreSQL, to take it away without disturbing anybody else's. */
export interface DatabaseGate {
  /** The database's URL, through the gate. */
  readonly url: string;
  /** Nobody gets through, and whoever was through is thrown out. */
  shut(): void;
  /** What is sent to PostgreSQL arrives; its answers do not. */
  swallowAnswers(): void;
  /**
   * The next connection on which a message is sent that says so hangs from then on, for good: nothing passes it any
   * more, and nobody is told. The others work.
   */
  hangNextThatSends(text: RegExp): void;
  /** How many hang. */
  readonly hanging: number;
  /** All is as it should be, but for what hangs for good; connections that had to do without answers are closed. */
  open(): void;
  close(): Promise<void>;
}

export async function openDatabaseGate(databaseUrl: string): Promise<DatabaseGate> {
  const target = new URL(databaseUrl);
  const pairs = new Set<[Socket, Socket]>();
  let state: 'open' | 'shut' | 'swallowing' = 'open';
  let hangs: RegExp | null = null;
  const hung = new Set<Socket>();
  const server = createServer((client) => {
    if (state === 'shut') return client.destroy();
    const database = connect(Number(target.port), target.hostname);
    const pair: [Socket, Socket] = [client, database];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      database.destroy();
    };
    client.on('error', end).on('close', end);
    // Nor is anybody told on a connection that hangs when PostgreSQL gives it up.
    const endUnlessHung = () => (hung.has(client) ? undefined : end());
    database.on('error', endUnlessHung).on('close', endUnlessHung);
    client.on('data', (chunk: Buffer) => {
      if (hangs !== null && hangs.test(chunk.toString('latin1'))) {
        hangs = null;
        hung.add(client);
      }
      if (!hung.has(client)) database.write(chunk);
    });
    database.on('data', (chunk) => {
      if (state !== 'swallowing' && !hung.has(client)) client.write(chunk);
    });
  });
  const throwOut = () =>
    pairs.forEach(([client, database]) => [client, database].forEach((socket) => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    shut: () => {
      state = 'shut';
      throwOut();
    },
    swallowAnswers: () => (state = 'swallowing'),
    hangNextThatSends: (text) => (hangs = text),
    get hanging() {
      return hung.size;
    },
    open: () => {
      if (state === 'swallowing') throwOut();
      state = 'open';
    },
    close: async () => {
      throwOut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
