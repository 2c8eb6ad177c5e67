import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { LostTime } from '../support/lost-time';
import { openRaw } from '../support/raw-connection';
import { statusOf } from '../support/raw-http';
import { quantile } from '../support/samples';
import { slowness } from '../support/slowness';
import { BODY, CHAT, NOTHING_LEFT, Wire } from '../support/wire';

/** Of each kind: slow in their headers, and slow in their body. */
const SOCKETS = 500;
const DRIP_MS = 10_000;
const HEADERS_CLOSED_MS = 15_000;
const BODY_CLOSED_MS = 30_000;
/** How much later the end may be seen here than the gateway made it, with 1,000 others beside it. */
const SEEN_LATE_MS = 500;
/** However slow the machine is: what is closed only at the next byte is 5 s late. */
const MOST_LATE_MS = 4_000;
const MOST_ADDED_MS = 50;
/** Before, and again after. */
const ALONE_MS = 8_000;
const HEAD = `POST ${CHAT} HTTP/1.1\r\nhost: gateway\r\nx-padding: `;

/** Clients that keep connections for themselves by sending a byte now and then. */
describe('clients that send one byte every 10 s', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;
  const lost = new LostTime();

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(async () => {
    await lost.stop();
    await gateway.close();
  });

  /** Opens a connection with these bytes, and goes on with an `x` every 10 s until the other side closes. */
  async function drip(bytes: string): Promise<{ status: number; text: string; ms: number }> {
    const openedAt = Date.now();
    const connection = openRaw(gateway.url);
    connection.write(bytes);
    const timer = setInterval(() => connection.write('x'), DRIP_MS);
    const text = await Promise.race([connection.closed, sleep(BODY_CLOSED_MS + 10_000).then(() => 'open')]);
    clearInterval(timer);
    const closedAt = Date.now();
    if (text === 'open') connection.vanish();
    const ms = closedAt - openedAt - (await lost.between(openedAt, closedAt));
    return { status: statusOf(text), text, ms };
  }

  /** The time that generations of well-behaved clients take until `end` has come, but for those the machine held up. */
  async function measured(end: Promise<unknown>): Promise<number[]> {
    const times: number[] = [];
    const over = new AbortController();
    void end.finally(() => over.abort());
    while (!over.signal.aborted) {
      const [askedAt, began] = [Date.now(), performance.now()];
      const answer = await gateway.post(CHAT, user.key, BODY);
      await answer.text();
      expect(answer.status).toBe(200);
      const ms = performance.now() - began;
      if ((await lost.between(askedAt, Date.now())) === 0) times.push(ms);
    }
    return times;
  }

  const announced = (line: string, headers: string[] = []) =>
    [
      `${line} HTTP/1.1`,
      'host: gateway',
      'content-type: application/json',
      ...headers,
      'content-length: 900',
      '',
      '{',
    ].join('\r\n');
  const inBodies = (): Record<string, [bytes: string, status: number]> => ({
    'a generation': [wire.post(BODY.padEnd(900)).slice(0, -880), 408],
    'a generation in chunks': [wire.chunked('384\r\n{'), 408],
    'a generation of a session': [wire.post(BODY.padEnd(900), [], '/chat/completions').slice(0, -880), 408],
    'a generation without a key': [announced(`POST ${CHAT}`), 401],
    'a login': [announced('POST /auth/token'), 408],
    'a change of one’s own': [
      announced('PATCH /users/me', [`authorization: Bearer ${user.accessToken}`]),
      408,
    ],
    'a body where none belongs': [announced('GET /health/live'), 408],
    'a body nobody reads': [announced('GET /v1/models', [`authorization: Bearer ${user.key}`]), 200],
    'a path that is not there': [announced('POST /nowhere'), 408],
  });

  it('are closed within 15 s in their headers and within 30 s in their body, and others notice nothing', async () => {
    await measured(sleep(1_000));
    const speeds = [slowness()];
    const alone = quantile(await measured(sleep(ALONE_MS)), 0.99);
    const kinds = inBodies();
    const each = Math.floor(SOCKETS / Object.keys(kinds).length);
    const headers = Promise.all(Array.from({ length: SOCKETS }, () => drip(HEAD)));
    const bodies = Promise.all(
      Object.entries(kinds).flatMap(([kind, [bytes]]) =>
        Array.from({ length: each }, async () => ({ kind, ...(await drip(bytes)) })),
      ),
    );
    // That this process opens so many connections at once is no fault of the gateway.
    await sleep(1_000);
    const besideBoth = quantile(await measured(headers), 0.99);
    speeds.push(slowness());
    const besideBodies = quantile(await measured(bodies), 0.99);
    speeds.push(slowness());
    const aloneAgain = quantile(await measured(sleep(ALONE_MS)), 0.99);
    const slowest = Math.max(...speeds, slowness());

    const seenLateMs = Math.min(MOST_LATE_MS, SEEN_LATE_MS * slowest);
    const inHeaders = await headers;
    expect(new Set(inHeaders.map(({ status }) => status))).toEqual(new Set([408]));
    expect(Math.max(...inHeaders.map(({ ms }) => ms))).toBeLessThan(HEADERS_CLOSED_MS + seenLateMs);

    const ends = await bodies;
    expect(ends.length).toBeGreaterThan(SOCKETS * 0.98);
    // Wherever they send it, and whoever they are.
    const late = ends.filter(({ ms }) => ms > BODY_CLOSED_MS + seenLateMs);
    expect([...new Set(late.map(({ kind }) => kind))]).toEqual([]);
    for (const [kind, [, status]] of Object.entries(kinds)) {
      const statuses = ends.filter((end) => end.kind === kind).map((end) => end.status);
      expect([kind, [...new Set(statuses)]]).toEqual([kind, [status]]);
    }

    const addedMs = Math.max(besideBoth, besideBodies) - Math.max(alone, aloneAgain);
    expect(addedMs).toBeLessThan(MOST_ADDED_MS * slowest);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });
});
