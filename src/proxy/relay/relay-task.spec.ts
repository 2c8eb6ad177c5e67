import { once } from 'node:events';
import { createServer, IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { serveInLine } from '../../http/queued-answers';
import type { Upstream } from '../upstream/upstream';
import type { Exchange } from './exchange';
import { RelayTask } from './relay-task';
import { ReplyMemory } from './reply-memory';
import { StallWatch } from './stall-watch';

const MIB = 1_024 * 1_024;
const VLLM = { engine: { heard: () => undefined } } as unknown as Upstream;
const JSON_HEADERS = { contentType: 'application/json', retryAfter: undefined };

describe('a whole answer', () => {
  let server: Server;
  let client: Socket;
  let response: Promise<ServerResponse>;
  const watch = new StallWatch();
  const memory = new ReplyMemory();

  /** The server's side of a request whose client reads nothing. */
  beforeEach(() => {
    server = createServer();
    const asked = new Promise<ServerResponse>((resolve) =>
      server.once('request', (_request: IncomingMessage, response: ServerResponse) => resolve(response)),
    );
    response = new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)).then(() => {
      client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      return asked;
    });
  });
  afterEach(() => {
    client.destroy();
    watch.onApplicationShutdown();
    server.close();
  });

  const exchange: Exchange = {
    requestId: 'id',
    upstreamPath: '/v1/completions',
    body: Buffer.from('{}'),
    promptPart: { bytes: 0, most: Infinity },
    stream: false,
    hidesThinking: false,
    dialect: null,
    truncatesChat: false,
    offersTools: false,
    arrivedAt: 0,
    servers: [],
    cacheSalt: 'salt',
    expected: {
      servedModel: 'served',
      publicModel: 'public',
      choices: 1,
      prompts: 1,
      wantsUsage: false,
      wantsContinuousUsage: false,
    },
  };
  const limits = {
    firstByteMs: 60_000,
    idleMs: 60_000,
    clientStallMs: 60_000,
    mayDrain: () => false,
    drainStarted: () => undefined,
    drainEnded: () => undefined,
    memory,
  };
  /** Whether large answers still fit beside five of 100 MiB: 12 MiB more do. */
  const hasRoom = () => {
    for (let count = 0; count < 5; count += 1) memory.take(100 * MIB, 0);
    const fits = memory.take(8 * MIB, 0);
    memory.give(500 * MIB + (fits ? 8 * MIB : 0));
    return fits;
  };

  it.each(['EMFILE', 'ENFILE'])(
    'is refused as overload when no connection can be made for %s',
    async (code) => {
      const task = new RelayTask(exchange, await response, watch, limits);
      task.onError(Object.assign(new Error('connect'), { code }));
      const { status, usage, failure } = await task.receipt;
      expect([status, usage.prompt]).toEqual([503, 0]);
      expect(failure).toMatchObject({ code: 'overloaded', headers: { 'retry-after': expect.any(String) } });
    },
  );

  it('counts among what is held until its client has read it, or left', async () => {
    const task = new RelayTask(exchange, await response, watch, limits);
    task.onDispatched(() => undefined, VLLM);
    task.onHeaders(200, JSON_HEADERS, () => undefined);
    task.onData(Buffer.from(`{"text":"${'x'.repeat(10 * MIB)}"}`));
    task.onEnd();
    const { deliver, outcome } = await task.receipt;
    expect([outcome, hasRoom()]).toEqual(['completed', false]);
    deliver?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(hasRoom()).toBe(false);
    const closed = new Promise((resolve) => void response.then((one) => one.once('close', resolve)));
    client.resume();
    client.end();
    await closed;
    expect(hasRoom()).toBe(true);
  });

  it('that waited behind another one is let go of when its client has left meanwhile', async () => {
    const behind = new Promise<ServerResponse>((resolve) =>
      server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        serveInLine(request, response, () => {
          if (request.url === '/behind') resolve(response);
        });
      }),
    );
    await response;
    client.write('GET /behind HTTP/1.1\r\nHost: x\r\n\r\n');
    const task = new RelayTask(exchange, await behind, watch, { ...limits, mayDrain: () => true });
    task.onDispatched(() => undefined, VLLM);
    client.destroy();
    await once(await behind, 'close');
    task.onHeaders(200, JSON_HEADERS, () => undefined);
    task.onData(Buffer.from(`{"text":"${'x'.repeat(10 * MIB)}"}`));
    task.onEnd();
    expect((await task.receipt).outcome).toBe('client_closed');
    expect(hasRoom()).toBe(true);
  });

  it('that nobody is given is let go of at once', async () => {
    const task = new RelayTask(exchange, await response, watch, limits);
    task.onHeaders(200, JSON_HEADERS, () => undefined);
    task.onData(Buffer.from(`no JSON ${'x'.repeat(10 * MIB)}`));
    expect(hasRoom()).toBe(false);
    task.onEnd();
    expect((await task.receipt).deliver).toBeUndefined();
    expect(hasRoom()).toBe(true);
  });
});
