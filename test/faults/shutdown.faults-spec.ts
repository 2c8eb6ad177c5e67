import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ProcessLease } from '../../src/usage/leases/process-lease.service';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { cleanUp, emptyFolder, GatewayProcess, listens, startProcess } from '../support/gateway-process';
import { counterDifferences, LedgerRow, settledRows } from '../support/ledger';
import { untilLocksAreAwaited } from '../support/lock-waiters';
import { LostTime } from '../support/lost-time';
import { openRaw } from '../support/raw-connection';
import { call, StreamedAnswer } from '../support/stream-client';
import { undisturbed } from '../support/undisturbed';
import { CHAT, envelope, says } from '../support/wire';

/** Many times what the short ones take, and what a load balancer gets at most. */
const GRACE_MS = 5_000;
/** Until the port is closed, with so much under way. */
const REFUSED_MS = 2_500;
const SHORT = { tokens: 20, tbtMs: 40 };
/** Far longer than any grace. */
const LONG = { tokens: 600, tbtMs: 200 };
const STREAMS_OF_A_KIND = 100;
const WHOLES_OF_A_KIND = 10;
/** Connections on which nothing happens; half of them have been used. */
const IDLE = 200;

/** A gateway of its own process with 220 generations under way, over the database and vLLM of a replica that watches. */
describe('SIGTERM while more runs than the grace period lets finish', () => {
  let watcher: TestGateway;
  let user: TestUser;
  let gateway: GatewayProcess;
  let lost: LostTime;

  beforeEach(async () => {
    lost = new LostTime();
    watcher = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
    user = await watcher.register();
  });
  afterEach(async () => {
    await lost.stop();
    await cleanUp();
    await watcher.close();
  });

  const start = async (mode: string) => {
    const { DATABASE_URL, JWT_SECRET, API_KEY_PEPPER } = watcher.env;
    gateway = await startProcess(emptyFolder(), {
      NODE_ENV: mode,
      DATABASE_URL: DATABASE_URL as string,
      JWT_SECRET: JWT_SECRET as string,
      API_KEY_PEPPER: API_KEY_PEPPER as string,
      VLLM_BASE_URL: watcher.simulator.baseUrl,
      SHUTDOWN_GRACE_MS: String(GRACE_MS),
      LOG_LEVEL: 'error',
    });
    await gateway.ready();
  };
  const ask = (count: number, steps: object, stream: boolean) =>
    Array.from({ length: count }, () =>
      call({ url: gateway.url, path: CHAT, credential: user.key, body: JSON.parse(says(steps, { stream })) }),
    );
  /** Long ones first, so that the short ones have just begun when the last of all is at vLLM. */
  const begin = async () => {
    const long = { streams: ask(STREAMS_OF_A_KIND, LONG, true), wholes: ask(WHOLES_OF_A_KIND, LONG, false) };
    await untilRunning(watcher, STREAMS_OF_A_KIND + WHOLES_OF_A_KIND);
    const short = {
      streams: ask(STREAMS_OF_A_KIND, SHORT, true),
      wholes: ask(WHOLES_OF_A_KIND, SHORT, false),
    };
    await untilAsked(watcher, 2 * (STREAMS_OF_A_KIND + WHOLES_OF_A_KIND));
    return { long, short };
  };

  // In production a load balancer gets time to see that the replica is not ready; elsewhere there is none to wait for.
  it.each([
    ['development', 0],
    ['production', GRACE_MS],
  ])(
    'in %s: the short ones end whole, the rest is told why, and all is settled before it ends',
    async (mode, balancerMs) => {
      await start(mode);
      const idle = Array.from({ length: IDLE }, () => openRaw(gateway.url));
      for (const used of idle.slice(0, IDLE / 2)) {
        used.write('GET /health/live HTTP/1.1\r\nhost: gateway\r\n\r\n');
        await used.responses(1);
      }
      const { long, short } = await begin();

      const toldAt = Date.now();
      gateway.kill('SIGTERM');
      await gateway.printed('finishing what runs');
      let within: StreamedAnswer[] = [];
      if (balancerMs > 0) {
        const ready = await fetch(`${gateway.url}/health/ready`);
        expect([ready.status, ready.headers.get('connection'), await ready.json()]).toEqual([
          503,
          'close',
          expect.objectContaining({ status: 'draining' }),
        ]);
        // It has not seen that yet: what it still sends here is served.
        within = await Promise.all(ask(1, { tokens: 2 }, true));
        expect(Date.now() - toldAt).toBeLessThan(balancerMs);
      }
      // What the kernel had accepted just before is reset; from then on it is refused.
      await sleep(Math.max(0, balancerMs - (Date.now() - toldAt)));
      while (await listens(Number(new URL(gateway.url).port))) await sleep(20);
      const refusedAt = Date.now();
      expect(refusedAt - toldAt - (await lost.between(toldAt, refusedAt))).toBeLessThan(
        balancerMs + REFUSED_MS,
      );
      expect(await refusal(gateway.url, user.key)).toBe('ECONNREFUSED');
      expect(watcher.simulator.journal.unfinished).toBeGreaterThan(0);
      await Promise.all(idle.slice(0, IDLE / 2).map(({ closed }) => closed));

      expect(await gateway.ended).toBe(0);
      expect(Date.now() - toldAt).toBeLessThan(balancerMs + GRACE_MS + 20_000);
      expect(gateway.errors()).toBe('');
      // Nobody else has settled them, and nothing is left for anybody.
      const [state] = await watcher.dataSource.query<object[]>(
        `SELECT (SELECT count(*)::int FROM open_requests) AS open,
           (SELECT count(*)::int FROM usage_records WHERE provisional) AS reaped`,
      );
      expect(state).toEqual({ open: 0, reaped: 0 });
      await watcher.simulator.journal.waitForIdle(30_000);

      const answers = {
        whole: [...(await Promise.all(short.streams)), ...within],
        cut: await Promise.all(long.streams),
        json: await Promise.all(short.wholes),
        refused: await Promise.all(long.wholes),
      };
      for (const { status, text } of answers.whole) {
        expect([status, text]).toEqual([200, expect.stringMatching(/"finish_reason":"stop"/)]);
        expect(text).toMatch(/data: \[DONE\]\n\n$/);
        expect(text).not.toContain('"error"');
      }
      for (const { status, text } of answers.cut) {
        expect(status).toBe(200);
        expect(text).not.toMatch(/"finish_reason":"/);
        expect(text).toMatch(
          /data: {"error":{"message":"The gateway is shutting down\.",[^\n]*}}\n\ndata: \[DONE\]\n\n$/,
        );
      }
      for (const { status, text } of answers.json)
        expect([status, JSON.parse(text)]).toEqual([
          200,
          expect.objectContaining({ object: 'chat.completion' }),
        ]);
      for (const { status, text } of answers.refused)
        expect([status, JSON.parse(text)]).toEqual([502, envelope('upstream_error', 'server_error')]);

      const rows = new Map((await settledRows(watcher, user.id)).map((row) => [row.request_id, row]));
      expect(rows.size).toBe(2 * (STREAMS_OF_A_KIND + WHOLES_OF_A_KIND) + within.length);
      const tellsOf = (all: StreamedAnswer[]) =>
        tally(all.map(({ requestId }) => rows.get(requestId) as LedgerRow));
      expect(tellsOf([...answers.whole, ...answers.json])).toEqual(['completed exact 200']);
      expect(tellsOf(answers.cut)).toEqual(['upstream_error exact 200']);
      expect(tellsOf(answers.refused)).toEqual(['upstream_error estimated 502']);
      const journal = watcher.simulator.journal;
      for (const { requestId, text } of [...answers.whole, ...answers.cut]) {
        const billed = rows.get(requestId)?.completion_tokens;
        expect(billed).toBe(text.match(/"content":"[^"]/g)?.length);
        expect(billed).toBeLessThanOrEqual(journal.find(requestId)?.completionTokens as number);
      }
      for (const { requestId } of [...answers.cut, ...answers.refused])
        expect(journal.find(requestId)?.outcome).toBe('cancelled');
      expect(await counterDifferences(watcher)).toEqual([]);
    },
  );
});

/** What has not reached vLLM by the end of the grace period, for whatever reason, neither prolongs it nor is sent there. */
describe('the end of the grace period while a request is still being let in', () => {
  const SHORT_GRACE_MS = 500;
  /** A process that waits for what comes would be there for twice as long. */
  const ENDED_MS = 15_000;
  let watcher: TestGateway;
  let user: TestUser;
  let gateway: GatewayProcess;

  const open = async () => {
    watcher = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
    user = await watcher.register();
    const { DATABASE_URL, JWT_SECRET, API_KEY_PEPPER } = watcher.env;
    gateway = await startProcess(emptyFolder(), {
      NODE_ENV: 'development',
      DATABASE_URL: DATABASE_URL as string,
      JWT_SECRET: JWT_SECRET as string,
      API_KEY_PEPPER: API_KEY_PEPPER as string,
      VLLM_BASE_URL: watcher.simulator.baseUrl,
      SHUTDOWN_GRACE_MS: String(SHORT_GRACE_MS),
      LOG_LEVEL: 'error',
    });
    await gateway.ready();
  };
  const close = async () => {
    await cleanUp();
    await watcher.close();
  };
  const renew = async () => {
    await close();
    await open();
  };
  beforeEach(open);
  afterEach(close);

  const endsInTime = async (toldAt: number) => {
    expect(await Promise.race([gateway.ended, sleep(ENDED_MS, undefined, { ref: false })])).toBe(0);
    expect(performance.now() - toldAt).toBeLessThan(ENDED_MS);
    expect(await watcher.dataSource.query('SELECT request_id FROM open_requests')).toEqual([]);
    expect(await counterDifferences(watcher)).toEqual([]);
    expect(watcher.simulator.journal.entries.filter(({ path }) => path === CHAT)).toEqual([]);
  };

  it('releases what PostgreSQL admits only then', () =>
    undisturbed(renew, async () => {
      const blocker = new Client({ connectionString: watcher.env.DATABASE_URL });
      await blocker.connect();
      try {
        await blocker.query('BEGIN');
        await blocker.query('SELECT 1 FROM limit_windows WHERE subject_id = $1 FOR UPDATE', [user.id]);
        const body = JSON.parse(says({ tokens: 300, tbtMs: 100 }, { stream: true })) as object;
        const answer = call({ url: gateway.url, path: CHAT, credential: user.key, body });
        await untilLocksAreAwaited(watcher, 1);
        const toldAt = performance.now();
        gateway.kill('SIGTERM');
        await sleep(2 * SHORT_GRACE_MS);
        await blocker.query('ROLLBACK');
        const { status, text } = await answer;
        expect([status, JSON.parse(text)]).toEqual([502, envelope('upstream_error', 'server_error')]);
        await endsInTime(toldAt);
        const rows = await settledRows(watcher, user.id);
        expect(tally(rows)).toEqual(['upstream_error exact 502']);
        expect(rows.map((row) => row.prompt_tokens + row.completion_tokens)).toEqual([0]);
      } finally {
        await blocker.end();
      }
    }));

  it('does not wait for a body that goes on arriving', async () => {
    const uploading = openRaw(gateway.url);
    uploading.write(
      `POST ${CHAT} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${user.key}\r\n` +
        'content-type: application/json\r\ncontent-length: 100000\r\n\r\n{',
    );
    await sleep(200);
    const toldAt = performance.now();
    gateway.kill('SIGTERM');
    await endsInTime(toldAt);
    expect(await settledRows(watcher, user.id)).toEqual([]);
  });
});

describe('a process whose lease has ended', () => {
  it('admits nothing that still comes over an open connection: others would settle it while it runs', async () => {
    const gateway = await startGateway();
    try {
      const user = await gateway.register();
      await gateway.app.get(ProcessLease, { strict: false }).end();
      const answer = await gateway.post(CHAT, user.key, JSON.parse(says({ tokens: 1 })));
      expect([answer.status, await answer.json()]).toEqual([
        503,
        envelope('database_unavailable', 'server_error'),
      ]);
      expect(await settledRows(gateway, user.id)).toEqual([]);
    } finally {
      await gateway.close();
    }
  });
});

const tally = (rows: LedgerRow[]): string[] => [
  ...new Set(rows.map(({ outcome, source, status }) => `${outcome} ${source} ${status}`)),
];

async function untilRunning(gateway: TestGateway, count: number): Promise<void> {
  while (gateway.simulator.journal.running < count) await sleep(10);
}

async function untilAsked(gateway: TestGateway, count: number): Promise<void> {
  const asked = () => gateway.simulator.journal.entries.filter(({ path }) => path === CHAT).length;
  while (asked() < count) await sleep(10);
}

/** Why a new generation cannot even be sent; else its status. */
function refusal(url: string, key: string): Promise<unknown> {
  return new Promise((resolve) => {
    const outgoing = request(new URL(CHAT, url), {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    });
    outgoing.on('response', ({ statusCode }) => resolve(statusCode));
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    outgoing.end(says({ tokens: 1 }));
  });
}
