import { IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Simulator, startSimulator } from '../../src/simulator/simulator';
import { slowness } from '../support/slowness';
import {
  cleanUp,
  emptyFolder,
  ensureBuilt,
  freePort,
  GatewayProcess,
  startProcess,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { quantile } from '../support/samples';
import { send } from '../support/send';

const STREAMS = 50;
const CHUNK_EVERY_MS = 50;
const ATTACKERS = 200;
const FLOOD_MS = 10_000;
const QUIET_MS = 3_000;
const WARM_UP_MS = 2_000;
const MOST_ADDED_MS = 250;
/** On a machine that is busy with other things nothing can be measured; a real delay is there in every attempt. */
const ATTEMPTS = 3;
const MOST_ADDED_BYTES = 150 * 1_024 * 1_024;

interface Stream {
  /** Milliseconds between its chunks. */
  readonly gaps: number[];
  /** Why it is not whole. */
  readonly fault: string | null;
}

/** Whoever tries passwords as fast as they can costs those who generate next to nothing. */
describe('200 who log in at once and again for 10 s, beside 50 streams', () => {
  let simulator: Simulator;
  let database: TestDatabase;
  let gateway: GatewayProcess;
  let metricsUrl: string;
  let key: string;
  const ada = { username: 'ada', password: 'seven lamps by the harbour' };

  beforeAll(async () => {
    await ensureBuilt();
    [simulator, database] = [await startSimulator(), await createDatabase()];
    const metricsPort = String(await freePort());
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    gateway = await startProcess(emptyFolder(), {
      DATABASE_URL: database.url,
      VLLM_BASE_URL: simulator.baseUrl,
      METRICS_PORT: metricsPort,
      LOG_LEVEL: 'error',
      TRUST_PROXY: '1',
    });
    await gateway.ready();
    key = String((await send(`${gateway.url}/auth/register`, { json: ada })).body.api_key);
  });
  afterAll(async () => {
    await cleanUp();
    await simulator.close();
    await database.drop();
  });

  /** A stream that has begun, to be read to its end. */
  const begun = (ms: number): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const tokens = Math.ceil(ms / CHUNK_EVERY_MS);
      const content = `SIM:${JSON.stringify({ tokens, tbtMs: CHUNK_EVERY_MS })}`;
      const body = { model: 'opencode-llm', stream: true, messages: [{ role: 'user', content }] };
      const asked = request(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      });
      asked.on('error', reject).on('response', resolve);
      asked.end(JSON.stringify(body));
    });
  const readToItsEnd = (answer: IncomingMessage): Promise<Stream> =>
    new Promise((resolve) => {
      const gaps: number[] = [];
      let last = performance.now();
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        text = (text + chunk.toString('latin1')).slice(-400);
      });
      answer.on('error', () => undefined);
      answer.on('close', () => {
        const isWhole = /"finish_reason":"stop"[^]*\[DONE\]\n\n$/.test(text);
        resolve({ gaps, fault: isWhole ? null : `${answer.statusCode}: ${text}` });
      });
    });
  /** @param beside what goes on from when all of them have begun */
  const streams = async (ms: number, beside: () => void = () => undefined) => {
    const answers = await Promise.all(Array.from({ length: STREAMS }, () => begun(ms)));
    beside();
    const all = await Promise.all(answers.map(readToItsEnd));
    return { gaps: all.flatMap(({ gaps }) => gaps), faults: all.map(({ fault }) => fault).filter(Boolean) };
  };

  /** @returns how often each answer came */
  const flood = (ms: number): Promise<Record<string, number>> =>
    new Promise((resolve, reject) => {
      const workerData = { url: gateway.url, attackers: ATTACKERS, ms, owner: ada };
      new Worker(join(__dirname, '..', 'support', 'login-attackers.js'), { workerData })
        .once('message', resolve)
        .once('error', reject);
    });

  const metric = async (name: string): Promise<number> => {
    const metrics = await (await fetch(metricsUrl)).text();
    return Number(new RegExp(`^llm_gateway_${name} (\\S+)`, 'm').exec(metrics)?.[1]);
  };
  /** The most memory it had until `end` has come. */
  const mostMemory = async (end: Promise<unknown>): Promise<number> => {
    const over = new AbortController();
    void end.finally(() => over.abort());
    let most = 0;
    while (!over.signal.aborted) {
      most = Math.max(most, await metric('process_resident_memory_bytes'));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return most;
  };

  /** @returns how much longer the gaps between chunks are than without, at the 99th percentile, and on which scale */
  const attempt = async () => {
    const slownessBefore = slowness();
    const quiet = await streams(QUIET_MS);
    const before = await metric('process_resident_memory_bytes');
    let flooding = Promise.resolve<Record<string, number>>({});
    let most = Promise.resolve(0);
    const beside = await streams(FLOOD_MS, () => {
      flooding = flood(FLOOD_MS);
      most = mostMemory(flooding);
    });
    const added = quantile(beside.gaps, 0.99) - quantile(quiet.gaps, 0.99);
    expect([quiet.faults, beside.faults]).toEqual([[], []]);
    expect((await most) - before).toBeLessThan(MOST_ADDED_BYTES);
    const answers = await flooding;
    const scale = Math.max(slownessBefore, slowness());
    return { answers, isDelayed: added >= MOST_ADDED_MS * scale };
  };

  it('breaks no stream and hardly delays one, is refused beyond the queue, and takes no more memory', async () => {
    await flood(WARM_UP_MS);
    let isDelayed = true;
    for (let n = 0; n < ATTEMPTS && isDelayed; n += 1) {
      const { answers, ...rest } = await attempt();
      ({ isDelayed } = rest);
      const told = Object.keys(answers);
      // Passwords go on being checked, and whoever is refused is told when to come again.
      expect(told).toContain('401 invalid_grant');
      // On a slow machine the line for the database is full before that for a password's turn.
      expect(told).toContainEqual(expect.stringMatching(/^503 (busy|database_unavailable), retry-after$/));
      expect(
        told.filter((one) => !/^(200 tokens|401 invalid_grant|(429|503) \w+, retry-after)$/.test(one)),
      ).toEqual([]);
    }
    expect(isDelayed).toBe(false);
    const { status } = await send(`${gateway.url}/auth/token`, { json: ada });
    expect(status).toBe(200);
  });
});
