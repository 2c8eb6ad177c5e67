import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { openRaw, RawConnection } from './support/raw-connection';
import { responsesIn } from './support/raw-responses';
import { NOTHING_LEFT, says, SLOW_STREAM, Wire } from './support/wire';

const SLOW = { tokens: 5, ttftMs: 200 };
const STREAM = says(SLOW, { stream: true });
const WHOLE = says(SLOW);
const KEEP = 'connection: keep-alive';
const DONE = 'data: [DONE]\n\n';

/** What stands behind a request whose answer is the last of its connection is not run, since nobody would get its answer. */
describe('requests behind one that ends the connection', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
    wire = new Wire(gateway, user);
    gateway.simulator.journal.clear();
  });

  const outcomes = async () => (await settledRows(gateway, user.id)).map(({ outcome }) => outcome);
  const old = (body: string, connection?: string) =>
    wire.post(body, connection ? [connection] : [], undefined, '1.0');
  const close = (body: string) => wire.post(body, ['connection: close']);
  /** Sent together, or the second one when the first is under way. */
  const both = async (first: string, second: string, apart: boolean): Promise<RawConnection> => {
    if (!apart) return wire.open(first + second);
    const connection = wire.open(first);
    while (wire.dispatched.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    connection.write(second);
    return connection;
  };

  describe.each([
    ['together', false],
    ['one after the other', true],
  ])('sent %s', (_, apart) => {
    it.each([
      ['a stream in HTTP/1.0', () => old(STREAM), () => old(STREAM), DONE],
      ['an answer in HTTP/1.0', () => old(WHOLE), () => old(WHOLE), '}'],
      ['a stream in HTTP/1.0 with keep-alive', () => old(STREAM, KEEP), () => old(STREAM, KEEP), DONE],
      ['the same, and HTTP/1.1', () => old(STREAM, KEEP), () => wire.post(WHOLE), DONE],
      ['a stream in HTTP/1.1 with close', () => close(STREAM), () => wire.post(STREAM), DONE],
      ['an answer in HTTP/1.1 with close', () => close(WHOLE), () => wire.post(WHOLE), '}'],
    ])('are not run: %s', async (__, first, second, end) => {
      const answers = responsesIn(await (await both(first(), second(), apart)).closed, true);
      expect(answers.map(({ status }) => status)).toEqual([200]);
      expect(answers[0]?.body.endsWith(end)).toBe(true);
      expect(wire.dispatched).toHaveLength(1);
      expect(await outcomes()).toEqual(['completed']);
      expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
    });
  });

  it('are not run when the gateway stops', async () => {
    const server = gateway.app.getHttpServer() as Server;
    // As shutDown() has it.
    const stop = (_: IncomingMessage, response: ServerResponse) =>
      void response.setHeader('connection', 'close');
    server.prependListener('request', stop);
    try {
      const answers = responsesIn(await wire.open(wire.post(STREAM) + wire.post(STREAM)).closed);
      expect(answers.map(({ status, body }) => [status, body.endsWith(DONE)])).toEqual([[200, true]]);
      expect(await outcomes()).toEqual(['completed']);
    } finally {
      server.off('request', stop);
    }
  });

  it('are run, in their order, as long as the connection stays: HTTP/1.0 with keep-alive', async () => {
    const connection = wire.open(old(WHOLE, KEEP) + old(WHOLE, KEEP) + old(STREAM, KEEP) + old(WHOLE, KEEP));
    const answers = responsesIn(await connection.closed, true);
    expect(answers.map(({ status, body }) => [status, body.endsWith(DONE)])).toEqual([
      [200, false],
      [200, false],
      [200, true],
    ]);
    expect(await outcomes()).toEqual(['completed', 'completed', 'completed']);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('are answered before what is no HTTP behind them', async () => {
    const connection = wire.open(`${old(WHOLE, KEEP)}${old(WHOLE, KEEP)}FOO\r\n\r\n`);
    const answers = responsesIn(await connection.closed);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400]);
    expect(await outcomes()).toEqual(['completed', 'completed']);
  });

  it('are forgotten with their client', async () => {
    const connection = await both(old(SLOW_STREAM, KEEP), old(WHOLE, KEEP), true);
    connection.vanish();
    expect(await outcomes()).toEqual(['client_closed']);
    expect(wire.dispatched).toHaveLength(1);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('are not kept by the hundred', async () => {
    const connection = await openRaw(gateway.url);
    connection.write(old(SLOW_STREAM, KEEP));
    await connection.until('data: ');
    connection.write('GET /health/live HTTP/1.0\r\nconnection: keep-alive\r\n\r\n'.repeat(101));
    expect(responsesIn(await connection.closed)).toEqual([]);
    expect(await outcomes()).toEqual(['client_closed']);
  });
});
