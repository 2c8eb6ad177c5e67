import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import {
  cleanUp,
  emptyFolder,
  ensureBuilt,
  freePort,
  GatewayProcess,
  startProcess,
} from '../support/gateway-process';
import { counterDifferences, settledRows } from '../support/ledger';
import { LostTime } from '../support/lost-time';
import { call, StreamedAnswer } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

const REPLICAS = 3;
const PER_SECOND = 50;
/** A machine that answers slower is asked less. */
const MOST_UNDER_WAY = 10;
const PROBE_MS = 100;
/** Also what a balancer gets to see that a replica leaves. */
const GRACE_MS = 1_500;
const SHORT = says({ tokens: 3, tbtMs: 10 });
/** Longer than any pause that the gateways must bear, in milliseconds. */
const STOOD_STILL_MS = 500;

interface Replica {
  readonly folder: string;
  readonly port: string;
  process: GatewayProcess;
  ready: boolean;
}

describe('a rolling restart of three replicas under load', () => {
  let watcher: TestGateway;
  let user: TestUser;
  const replicas: Replica[] = [];
  const agent = new Agent({ keepAlive: true });
  const over = new AbortController();
  const lost = new LostTime();

  beforeAll(async () => {
    await ensureBuilt();
    watcher = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
    user = await watcher.register();
  });
  afterAll(async () => {
    over.abort();
    agent.destroy();
    await lost.stop();
    await cleanUp();
    await watcher.close();
  });

  const start = async (replica: Replica) => {
    replica.process = await startProcess(replica.folder, {
      NODE_ENV: 'production',
      PORT: replica.port,
      DATABASE_URL: watcher.env.DATABASE_URL as string,
      JWT_SECRET: watcher.env.JWT_SECRET as string,
      API_KEY_PEPPER: watcher.env.API_KEY_PEPPER as string,
      VLLM_BASE_URL: watcher.simulator.baseUrl,
      SHUTDOWN_GRACE_MS: String(GRACE_MS),
      // What they do when they are overloaded is a test of its own.
      SHED_AFTER_MS: '0',
      LOG_LEVEL: 'error',
    });
    await replica.process.ready();
  };
  /** As load balancers do: asks each replica whether it is ready, again and again. */
  const probe = async (replica: Replica) => {
    while (!over.signal.aborted) {
      const answer = await fetch(`${replica.process.url}/health/ready`).catch(() => null);
      replica.ready = answer?.status === 200;
      await answer?.arrayBuffer().catch(() => undefined);
      await sleep(PROBE_MS);
    }
  };
  /** Sends to each ready replica in turn; to another one only when nothing could be sent. */
  let turn = 0;
  const ask = async (): Promise<string> => {
    for (let tried = 0; tried < 2 * REPLICAS; tried += 1) {
      const ready = replicas.filter((replica) => replica.ready);
      const replica = ready[(turn += 1) % ready.length];
      if (!replica) return 'no replica is ready';
      const outcome = await send(replica.process.url, user.key, agent);
      if (outcome !== 'not sent') return outcome;
      replica.ready = false;
    }
    return 'nobody takes it';
  };
  /** The same, and what a request was told while the machine stood still, or just after, tells nothing of restarts. */
  const told = async (): Promise<string> => {
    const from = Date.now();
    const outcome = await ask();
    if (outcome === '200') return outcome;
    return (await lost.between(from - GRACE_MS, Date.now())) > STOOD_STILL_MS ? 'excused' : outcome;
  };

  it('fails no request that is no stream, and cuts streams past the grace alone', async () => {
    for (let count = 0; count < REPLICAS; count += 1)
      replicas.push({ folder: emptyFolder(), port: String(await freePort()), ready: true } as Replica);
    await Promise.all(replicas.map(start));
    for (const replica of replicas) void probe(replica);
    const outcomes: Promise<string>[] = [];
    let underWay = 0;
    const sending = setInterval(() => {
      if (underWay === MOST_UNDER_WAY) return;
      underWay += 1;
      outcomes.push(told().finally(() => (underWay -= 1)));
    }, 1_000 / PER_SECOND);
    const streams: { short: Promise<StreamedAnswer>[]; long: Promise<StreamedAnswer>[] } = {
      short: [],
      long: [],
    };
    const stream = (url: string, steps: object) =>
      call({ url, path: CHAT, credential: user.key, body: JSON.parse(says(steps, { stream: true })) });
    for (const replica of replicas) {
      streams.short.push(stream(replica.process.url, { tokens: 5, tbtMs: 50 }));
      const long = stream(replica.process.url, { tokens: 3_000, tbtMs: 100 });
      streams.long.push(long);
      await sleep(500);
      replica.process.kill('SIGTERM');
      expect(await replica.process.ended).toBe(0);
      await long;
      await start(replica);
      while (!replica.ready) await sleep(PROBE_MS);
    }
    clearInterval(sending);
    const all = await Promise.all(outcomes);
    const tally: Record<string, number> = {};
    for (const outcome of all) tally[outcome] = (tally[outcome] ?? 0) + 1;
    const { excused = 0, ...others } = tally;
    expect(others).toEqual({ 200: all.length - excused });
    expect(excused).toBeLessThan(all.length / 10);
    for (const { text } of await Promise.all(streams.short))
      expect(text).toMatch(/"finish_reason":"stop"[^]*data: \[DONE\]\n\n$/);
    for (const { text } of await Promise.all(streams.long))
      expect(text).toMatch(/is shutting down[^\n]*\n\ndata: \[DONE\]\n\n$/);
    const rows = (await settledRows(watcher, user.id)).length - 2 * REPLICAS;
    expect(rows).toBeLessThanOrEqual(all.length);
    expect(rows).toBeGreaterThanOrEqual(all.length - excused);
    expect(await counterDifferences(watcher)).toEqual([]);
  });
});

/** The status, why the answer broke, or that nothing was sent: the connection was refused, or was closed while it was idle. */
function send(url: string, key: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(new URL(CHAT, url), {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': SHORT.length,
      },
    });
    outgoing.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(String(response.statusCode)));
      response.on('error', (error) => resolve(`broken: ${error.message}`));
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'not sent' : `failed: ${error.code} ${outgoing.reusedSocket}`),
    );
    outgoing.end(SHORT);
  });
}
