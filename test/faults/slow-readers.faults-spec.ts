import { connect, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { responsesIn } from '../support/raw-responses';
import { slowness } from '../support/slowness';
import { CHAT, NOTHING_LEFT, says, Wire } from '../support/wire';

/** Longer than what the kernel and two processes hold by themselves. */
const TOKENS = 8_000;
const LONG = says({ tokens: TOKENS }, { stream: true, logprobs: true, top_logprobs: 20 });
/** Longer than a busy machine lets this process wait for its turn. */
const STALL_MS = 5_000;

describe('a reader of an answer', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway({
      settings: { CLIENT_STALL_TIMEOUT_MS: String(STALL_MS) },
      simulator: { models: [{ id: 'sim', maxModelLen: 100_000 }] },
    });
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  /** Reads up to the first token, and then no further. */
  async function stopsReading(): Promise<{ socket: Socket; text: () => string }> {
    let text = '';
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => undefined);
    socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
    socket.write(wire.post(LONG));
    while (!text.includes('"content"')) await sleep(5);
    socket.pause();
    return { socket, text: () => text };
  }

  it('of a stream that pauses holds vLLM back, and then gets every byte', async () => {
    const { socket, text } = await stopsReading();
    const [entry] = wire.dispatched;
    for (let before = -1; before !== entry?.completionTokens; await sleep(150)) {
      before = entry?.completionTokens ?? 0;
    }
    expect(entry?.outcome).toBe('running');
    expect(entry?.completionTokens).toBeLessThan(TOKENS * 0.8);
    socket.resume();
    while (!text().endsWith('0\r\n\r\n')) await sleep(10);
    socket.destroy();
    const [response] = responsesIn(text());
    expect(response?.body.match(/"content":/g)?.length).toBeGreaterThanOrEqual(TOKENS);
    expect(response?.body.endsWith('data: [DONE]\n\n')).toBe(true);
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'completed', source: 'exact', completion_tokens: TOKENS });
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('of a stream that pauses again and again gets every byte as well', async () => {
    const { socket, text } = await stopsReading();
    let pauses = 0;
    socket.on('data', () => {
      if (pauses === 40) return;
      pauses += 1;
      socket.pause();
      // Altogether longer than anybody may pause at once.
      setTimeout(() => socket.resume(), STALL_MS / 30);
    });
    socket.resume();
    while (!text().endsWith('0\r\n\r\n')) await sleep(10);
    socket.destroy();
    expect(pauses).toBe(40);
    const [response] = responsesIn(text());
    expect(response?.body.match(/"content":/g)?.length).toBeGreaterThanOrEqual(TOKENS);
    expect(response?.body.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('of a stream that never reads on is cut, and pays no less than it read and no more than was generated', async () => {
    const { socket, text } = await stopsReading();
    const stoppedAt = Date.now();
    await gateway.simulator.journal.waitForIdle(STALL_MS + 30_000);
    const [entry] = wire.dispatched;
    expect(entry?.outcome).toBe('cancelled');
    expect((entry?.cancelledAt ?? 0) - stoppedAt).toBeGreaterThan(STALL_MS * 0.9);
    const row = (await settledRows(gateway, user.id)).at(-1);
    expect(row).toMatchObject({ request_id: entry?.requestId, outcome: 'client_closed', status: 499 });
    expect(row?.completion_tokens).toBeLessThanOrEqual(entry?.completionTokens ?? 0);
    expect(row?.completion_tokens).toBeGreaterThanOrEqual(text().match(/"content":"[^"]/g)?.length ?? 0);
    socket.destroy();
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  /** Asks for a whole answer of 20 MB, and reads nothing of it beyond its beginning. */
  async function readsNothingOfAWholeAnswer(): Promise<{
    socket: Socket;
    closedAfter: Promise<number>;
    text: () => string;
  }> {
    let text = '';
    const accepted = new Promise<Socket>((resolve) =>
      gateway.app.getHttpServer().once('connection', resolve),
    );
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => undefined);
    socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
    socket.write(wire.post(says({ tokens: 3, hugeChunkBytes: 20 * 1_048_576 })));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const since = performance.now();
    const atGateway = await accepted;
    const closedAfter = new Promise<number>((resolve) =>
      atGateway.once('close', () => resolve(performance.now() - since)),
    );
    return { socket, closedAfter, text: () => text };
  }

  it('of a whole answer that stops reading is cut as well, and has paid for all of it', async () => {
    const { socket, closedAfter } = await readsNothingOfAWholeAnswer();
    const late = new Promise<null>((resolve) => setTimeout(resolve, 10 * STALL_MS, null));
    const after = await Promise.race([closedAfter, late]);
    socket.destroy();
    expect(after).toBeGreaterThan(STALL_MS * 0.9);
    expect(after).toBeLessThan(3 * STALL_MS);
    const row = (await settledRows(gateway, user.id)).at(-1);
    expect(row).toMatchObject({ outcome: 'completed', source: 'exact', completion_tokens: 3, status: 200 });
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('of a whole answer that reads on in time gets all of it', async () => {
    const { socket, text } = await readsNothingOfAWholeAnswer();
    await sleep(STALL_MS * 0.4);
    socket.resume();
    while (!text().endsWith('}')) await sleep(10);
    socket.destroy();
    expect(responsesIn(text())[0]?.body.length).toBeGreaterThan(20 * 1_048_576);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('gets characters whole that came from vLLM in halves', async () => {
    const said = 'naïve 漢字 😀 \u{10ffff} '.repeat(30);
    const steps = { text: said, splitBytes: true };
    const text = await (await gateway.post(CHAT, user.key, says(steps, { stream: true }))).text();
    const contents = [...text.matchAll(/^data: (\{.*)$/gm)].map(
      ([, json = '']) =>
        (JSON.parse(json) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content,
    );
    expect(contents.join('').trim()).toBe(said.trim());
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('gets an event of many megabytes as fast as it comes', async () => {
    const size = 24 * 1_048_576;
    const [lost, slownessBefore] = [new LostTime(), slowness()];
    const started = Date.now();
    const answer = await gateway.post(
      CHAT,
      user.key,
      says({ tokens: 3, hugeChunkBytes: size }, { stream: true }),
    );
    const text = await answer.text();
    const took = Date.now() - started - (await lost.between(started, Date.now()));
    await lost.stop();
    // With the time squared in its length it takes half a minute, and as much longer on a slow machine.
    expect(took).toBeLessThan(8_000 * Math.max(slownessBefore, slowness()));
    expect(text.length).toBeGreaterThan(size);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('is told when an event is longer than any that is relayed', async () => {
    const steps = { tokens: 3, hugeChunkBytes: 65 * 1_048_576 };
    const text = await (await gateway.post(CHAT, user.key, says(steps, { stream: true }))).text();
    expect(text).toMatch(
      /\n\ndata: \{"error":\{"message":"[^"]+","type":"upstream_error"[^\n]+\n\ndata: \[DONE\]\n\n$/,
    );
    expect(text.length).toBeLessThan(2_000);
    const row = (await settledRows(gateway, user.id)).at(-1);
    expect(row?.outcome).toBe('upstream_error');
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });
});
