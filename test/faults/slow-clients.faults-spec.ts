import { Logger } from '@nestjs/common';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';
import { responsesIn } from '../support/raw-responses';
import { BODY, CHAT, chunk, envelope, NOTHING_LEFT, says, SLOW_STREAM, STREAM, Wire } from '../support/wire';

describe('clients that are slow, large, old or gone', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  it('bill both of two pipelined streams whose client leaves in the first', async () => {
    const connection = wire.open(wire.post(SLOW_STREAM) + wire.post(SLOW_STREAM));
    await connection.until('"content"');
    connection.vanish();
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
    for (const { outcome, completionTokens } of wire.dispatched.slice(0, 2)) {
      expect(outcome).toBe('cancelled');
      expect(completionTokens).toBeLessThan(400);
    }
  });

  it('are billed and are no error in the log when they leave before vLLM says anything', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error');
    const before = (await settledRows(gateway, user.id)).length;
    const connection = wire.open(wire.post(says({ neverAnswer: true }, { stream: true })));
    while (wire.dispatched.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    connection.vanish();
    while ((await settledRows(gateway, user.id)).length === before)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
    expect(errors.mock.calls).toEqual([]);
    errors.mockRestore();
  });

  it('take a body of exactly the limit and none of a byte more, announced or not', async () => {
    const frame = says({ tokens: 3 }, { metadata: '' });
    const body = frame.replace('"metadata":""', `"metadata":"${'x'.repeat(33_554_432 - frame.length)}"`);
    expect((await gateway.post(CHAT, user.key, body)).status).toBe(200);
    const announced = wire.open(wire.head(`POST ${CHAT} HTTP/1.1`, ['content-length: 33554433']));
    const unannounced = wire.open(wire.chunked(chunk(body)) + chunk(' '));
    for (const connection of [announced, unannounced]) {
      const [answer] = await connection.responses(1);
      expect([answer?.status, answer?.headers.connection]).toEqual([413, 'close']);
      expect(JSON.parse(answer?.body ?? '')).toEqual(envelope('body_too_large'));
      connection.vanish();
    }
    expect(wire.dispatched.filter(({ path }) => path === CHAT)).toHaveLength(1);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('share 512 MiB for bodies whose end does not come, and those that began first make room', async () => {
    const large = says({ tokens: 3 }, { metadata: 'x'.repeat(30 * 1_024 * 1_024) });
    const slow = Array.from({ length: 20 }, () => wire.open(wire.post(large).slice(0, -1)));
    const text = await Promise.race(slow.map(({ until }) => until('overloaded', 60_000)));
    expect(text).toMatch(/^HTTP\/1.1 503 [^]*"type":"server_error"/);
    // Twice: what has been decided about holds nothing.
    for (let i = 0; i < 2; i += 1) expect((await gateway.post(CHAT, user.key, large)).status).toBe(200);
    const refused = await Promise.all(
      slow.map(({ closed }) =>
        Promise.race([closed.then(() => 1), new Promise<0>((r) => setTimeout(r, 500, 0))]),
      ),
    );
    const gone = refused.reduce((sum: number, one) => sum + one, 0);
    expect(gone).toBeGreaterThanOrEqual(3);
    expect(gone).toBeLessThan(10);
    for (const connection of slow) connection.vanish();
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('wait for a slow body, and no longer than 20 s for the next byte or header', async () => {
    const slow = wire.open(wire.post(BODY).slice(0, -BODY.length));
    const drips = (async () => {
      for (const character of BODY) {
        slow.write(character);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return slow.responses(1);
    })();
    const silent = wire.open(wire.post(BODY).slice(0, -5));
    // One that never comes to the end of its headers, and so to no route.
    const headless = wire.open(`POST ${CHAT} HTTP/1.1\r\nhost: x\r\n`);
    expect((await drips)[0]?.status).toBe(200);
    const [late, never] = [responsesIn(await silent.closed)[0], responsesIn(await headless.closed)[0]];
    expect([late?.status, never?.status]).toEqual([408, 408]);
    expect(late?.body).toContain('"code":"body_timeout"');
    expect(never?.body).toContain('"code":"request_timeout"');
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('hold nothing for clients that vanish within their request', async () => {
    const whole = wire.post(BODY);
    const connections = Array.from({ length: 60 }, (_, index) =>
      wire.open(whole.slice(0, Math.ceil((whole.length - 1) * ((index + 1) / 60)))),
    );
    connections.push(
      wire.open(wire.chunked(chunk(BODY))),
      wire.open(wire.post(BODY, [], '/chat/completions').slice(0, -5)),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    connections.forEach((connection, index) => (index % 2 ? connection.vanish() : connection.endWriting()));
    await Promise.all(connections.map(({ closed }) => closed));
    expect(wire.dispatched).toEqual([]);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('speak HTTP/1.0: no chunks, and the end of the connection is the end of the answer', async () => {
    for (const [body, end] of [
      [BODY, '}'],
      [STREAM, 'data: [DONE]\n\n'],
    ] as const) {
      for (const asked of ['close', 'keep-alive']) {
        const connection = wire.open(wire.post(body, [`connection: ${asked}`], CHAT, '1.0'));
        // An answer of a known length may leave the connection open, as asked.
        const [answer] =
          body === BODY && asked === 'keep-alive'
            ? await connection.responses(1)
            : responsesIn(await connection.closed, true);
        expect([answer?.status, answer?.headers['transfer-encoding']]).toEqual([200, undefined]);
        expect(answer?.body.endsWith(end)).toBe(true);
      }
    }
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('take the end of what a client sends for its leaving: the generation stops and is billed', async () => {
    const stream = wire.open(wire.post(SLOW_STREAM));
    await stream.until('"content"');
    stream.endWriting();
    await stream.closed;
    const at = Date.now();
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
    const [entry] = wire.dispatched;
    expect(entry?.outcome).toBe('cancelled');
    expect((entry?.cancelledAt ?? 0) - at).toBeLessThan(1_000);
  });
});
