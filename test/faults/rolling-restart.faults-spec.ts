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
import { call, StreamedAnswer } from '../support/stream-client';
import { CHAT, says } from '../support/wire';

const REPLICAS = 3;
const PER_SECOND = 50;
const PROBE_MS = 100;
/** Also what a balancer gets to see that a replica leaves. */
const GRACE_MS = 1_500;
const SHORT = says({ tokens: 3, tbtMs: 10 });

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

  beforeAll(async () => {
    await ensureBuilt();
    watcher = await startGateway({ settings: { DEFAULT_TOKEN_LIMIT: '1000000000' } });
    user = await watcher.register();
  });
  afterAll(async () => {
    over.abort();
    agent.destroy();
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

  it('fails no request that is no stream, and cuts streams past the grace alone', async () => {
    for (let count = 0; count < REPLICAS; count += 1)
      replicas.push({ folder: emptyFolder(), port: String(await freePort()), ready: true } as Replica);
    await Promise.all(replicas.map(start));
    for (const replica of replicas) void probe(replica);
    const outcomes: Promise<string>[] = [];
    const sending = setInterval(() => outcomes.push(ask()), 1_000 / PER_SECOND);
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
    expect(tally).toEqual({ 200: all.length });
    for (const { text } of await Promise.all(streams.short))
      expect(text).toMatch(/"finish_reason":"stop"[^]*data: \[DONE\]\n\n$/);
    for (const { text } of await Promise.all(streams.long))
      expect(text).toMatch(/is shutting down[^\n]*\n\ndata: \[DONE\]\n\n$/);
    expect(await settledRows(watcher, user.id, 10_000)).toHaveLength(all.length + 2 * REPLICAS);
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
