import { readFileSync } from 'node:fs';
import { createServer, Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import {
  cleanUp,
  databasePortOf,
  emptyFolder,
  ensureBuilt,
  GatewayProcess,
  listens,
  printedAdmin,
  startProcess,
} from '../support/gateway-process';
import { send } from '../support/send';
import { BODY, CHAT } from '../support/wire';

/** Long beyond what a slow machine needs; what never happens fails by it. */
const PATIENCE_MS = 120_000;

beforeAll(ensureBuilt);
afterAll(cleanUp);

describe('an embedded PostgreSQL that dies while another program takes its port', () => {
  let folder: string;
  let gateway: GatewayProcess;
  let port: number;
  let taker: Server;

  /** The gateway stands still meanwhile: it would be quicker. */
  beforeEach(async () => {
    folder = emptyFolder();
    gateway = await startProcess(folder);
    await gateway.ready();
    // The key of the first admin is printed last, and nothing is by a process that stands still.
    await gateway.printed('opencode.json for');
    port = databasePortOf(gateway);
    const [postmaster] = readFileSync(join(folder, 'data/postgres/cluster/postmaster.pid'), 'utf8').split(
      '\n',
    );
    gateway.kill('SIGSTOP');
    process.kill(Number(postmaster), 'SIGKILL');
    taker = await take(port);
  });
  afterEach(() => {
    gateway.kill('SIGCONT');
    taker.close();
  });

  const ready = async () => (await send(`${gateway.url}/health/ready`)).status;
  const generate = (bearer: string) =>
    send(gateway.url + CHAT, { json: JSON.parse(BODY) as object, bearer, method: 'POST' });

  it('comes back on it as soon as it is free, and is waited for, with a word, until then', async () => {
    const { apiKey } = printedAdmin(gateway);
    gateway.kill('SIGCONT');
    await gateway.printed(`has to come back on port ${port}, which another program has taken`);
    expect(await ready()).toBe(503);
    await closed(taker);
    const until = Date.now() + PATIENCE_MS;
    while ((await ready()) !== 200 && Date.now() < until) await sleep(100);
    expect((await generate(apiKey)).status).toBe(200);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(await listens(port)).toBe(false);
  });

  it('ends a gateway in one sentence when another process has started it on another port', async () => {
    let other: EmbeddedPostgres | undefined;
    try {
      other = await startEmbeddedPostgres({ dataDir: join(folder, 'data/postgres') });
      const { port: now } = new URL(other.url);
      gateway.kill('SIGCONT');
      expect(await Promise.race([gateway.ended, sleep(PATIENCE_MS, 'it runs on', { ref: false })])).toBe(1);
      expect(gateway.errors()).toBe(
        `The embedded PostgreSQL has been started by another process, on port ${now} and not ${port}: start again.\n`,
      );
    } finally {
      await other?.stop();
    }
  });
});

/** As soon as whoever has it is dead. */
async function take(port: number): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    const isOpen = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (isOpen) return server;
    await sleep(20);
  }
}

const closed = (server: Server) => new Promise((resolve) => server.close(resolve));
