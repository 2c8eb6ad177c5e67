import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendRaw } from '../../test/support/raw-http';
import { send } from '../../test/support/send';
import { call } from '../../test/support/stream-client';
import type { Simulator } from './simulator';
import { startSimulator } from './simulator';

const CHAT = '/v1/chat/completions';
const said = (script: object) => ({
  messages: [{ role: 'user', content: `SIM:${JSON.stringify(script)}` }],
});

/** Sends a request and, once it is read, closes the sending half of the socket; resolves with what came back. */
function halfClose({ baseUrl, journal }: Simulator, path: string, body: object): Promise<string> {
  const { hostname, port } = new URL(baseUrl);
  const payload = JSON.stringify(body);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.on('end', () => socket.destroy());
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: sim\r\ncontent-type: application/json\r\ncontent-length: ${payload.length}\r\n\r\n${payload}`,
    );
    const looks = setInterval(() => {
      if (journal.entries.length === 0) return;
      clearInterval(looks);
      socket.end();
    }, 5);
  });
}

describe('the journal of the simulator', () => {
  let simulator: Simulator;

  beforeEach(async () => {
    simulator = await startSimulator({ models: [{ id: 'tiny', maxModelLen: 2_048 }] });
  });

  afterEach(() => simulator.close());

  const post = (path: string, json: unknown, headers?: Record<string, string>) =>
    send(simulator.baseUrl + path, { json, headers });
  const entry = () => simulator.journal.entries[0];
  /** Leaves once it has been worked on for a while. */
  const leave = (body: object) =>
    call({
      url: simulator.baseUrl,
      path: CHAT,
      credential: 'any',
      body,
      hangUpOnce: () => Date.now() - (entry()?.startedAt ?? Infinity) > 150,
    });

  it('keeps the request as it came and what was generated for it', async () => {
    const body = { ...said({ tokens: 5 }), n: 2 };
    await post(`${CHAT}?a=1`, body, { 'x-request-id': 'mine', 'x-other': 'seen' });
    expect(simulator.journal.find('mine')).toMatchObject({
      method: 'POST',
      target: `${CHAT}?a=1`,
      path: CHAT,
      body,
      headers: { 'x-other': 'seen' },
      model: 'tiny',
      stream: false,
      sequences: 2,
      completionTokens: 10,
      outcome: 'completed',
      status: 200,
    });
  });

  it('agrees with the usage of the answer', async () => {
    const { body } = await post(CHAT, said({ reasoning: 3, tokens: 4 }));
    expect(body.usage).toMatchObject({
      prompt_tokens: entry()?.promptTokens,
      completion_tokens: entry()?.completionTokens,
    });
    expect(entry()).toMatchObject({ completionTokens: 7, reasoningTokens: 3 });
  });

  it('counts nothing for a refused request', async () => {
    await post(CHAT, { ...said({}), n: 0 });
    expect(entry()).toMatchObject({ outcome: 'rejected', status: 400, promptTokens: 0, completionTokens: 0 });
  });

  it('stops counting when the client of a stream leaves', async () => {
    const { text } = await leave({ ...said({ tokens: 500, tbtMs: 20 }), stream: true });
    await simulator.journal.waitForIdle(30_000);
    const received = text.split('"delta":{"content"').length - 1;
    expect(entry()).toMatchObject({ outcome: 'cancelled' });
    expect(entry()?.cancelledAt).not.toBeNull();
    expect(entry()?.completionTokens).toBeGreaterThanOrEqual(received);
    expect(entry()?.completionTokens).toBeLessThanOrEqual(received + 2);
  });

  it('stops counting when the client of a JSON answer leaves', async () => {
    await leave(said({ tokens: 500, tbtMs: 20 }));
    await simulator.journal.waitForIdle(30_000);
    expect(entry()).toMatchObject({ outcome: 'cancelled' });
    expect(entry()?.completionTokens).toBeGreaterThan(1);
    const { startedAt = 0, cancelledAt = 0 } = entry() ?? {};
    expect(entry()?.completionTokens).toBeLessThanOrEqual(2 + ((cancelledAt ?? 0) - startedAt) / 20);
  });

  it('takes a half-closed socket for a client that left', async () => {
    expect(await halfClose(simulator, CHAT, said({ tokens: 500, tbtMs: 20 }))).toBe('');
    await simulator.journal.waitForIdle(30_000);
    expect(entry()).toMatchObject({ outcome: 'cancelled' });
  });

  it('is read and emptied over HTTP', async () => {
    await post('/tokenize', { prompt: 'hello' });
    const { body } = await send(`${simulator.baseUrl}/simulator/journal`);
    expect(body.entries).toMatchObject([{ path: '/tokenize', outcome: 'completed' }]);
    await send(`${simulator.baseUrl}/simulator/journal`, { method: 'DELETE' });
    expect(simulator.journal.entries).toHaveLength(0);
  });
});

describe('a setting of the simulator', () => {
  let simulator: Simulator;

  beforeEach(async () => {
    simulator = await startSimulator({ models: [{ id: 'tiny', maxModelLen: 64 }] });
  });

  afterEach(() => simulator.close());

  const post = (path: string, json: unknown) => send(simulator.baseUrl + path, { json });
  const change = (json: object) => send(`${simulator.baseUrl}/simulator/settings`, { method: 'PUT', json });

  it('is changed over HTTP at any time, and none can be invented', async () => {
    expect((await change({ timeToFirstTokenMs: 7 })).body).toMatchObject({ timeToFirstTokenMs: 7 });
    const { body } = await send(`${simulator.baseUrl}/simulator/settings`);
    expect(body).toMatchObject({ timeToFirstTokenMs: 7, overflow: 'clamp' });
    expect((await change({ speed: 1 })).status).toBe(400);
  });

  it('`overflow` lowers max_tokens to the window as 0.32, or refuses as older releases', async () => {
    const asked = { prompt: Array(60).fill(40), max_tokens: 10, ignore_eos: true };
    expect((await post('/v1/completions', asked)).body.usage).toMatchObject({ completion_tokens: 4 });
    await change({ overflow: 'refuse' });
    expect(await post('/v1/completions', asked)).toMatchObject({
      status: 400,
      body: { error: { param: 'input_tokens' } },
    });
    expect((await post('/v1/completions', { ...asked, max_tokens: 4 })).status).toBe(200);
  });

  it('`tokenize` can be missing, or answer nonsense', async () => {
    await change({ tokenize: 'missing' });
    expect((await post('/tokenize', { prompt: 'hello' })).status).toBe(404);
    await change({ tokenize: 'null' });
    expect(await post('/tokenize', { prompt: 'hello' })).toMatchObject({ status: 200, body: null });
  });

  it('`templateTokens` stand in the prompt of every chat, of no completion, and /tokenize counts them', async () => {
    const counts = async () => ({
      chat: (await post(CHAT, said({ tokens: 1 }))).body.usage,
      completion: (await post('/v1/completions', { prompt: 'hi', max_tokens: 1 })).body.usage,
      counted: (await post('/tokenize', said({ tokens: 1 }))).body.count,
    });
    const before = (await counts()) as unknown as Record<'chat' | 'completion', { prompt_tokens: number }>;
    await change({ templateTokens: 30 });
    const prompt = before.chat.prompt_tokens + 30;
    expect(await counts()).toMatchObject({
      chat: { prompt_tokens: prompt },
      completion: { prompt_tokens: before.completion.prompt_tokens },
      counted: prompt,
    });
  });

  it('`healthy` decides about /health', async () => {
    expect((await send(`${simulator.baseUrl}/health`)).status).toBe(200);
    await change({ healthy: false });
    expect((await send(`${simulator.baseUrl}/health`)).status).toBe(503);
  });

  it('`maxUnfinished` counts answers, n of them for a request, and refuses the rest with 503', async () => {
    await change({ maxUnfinished: 2 });
    simulator.settings.hung = true;
    const slow = post(CHAT, { ...said({ tokens: 1 }), n: 2 });
    while (simulator.journal.unfinished < 2) await sleep(5);
    const refused = await post(CHAT, said({ tokens: 1 }));
    simulator.settings.hung = false;
    expect(refused).toMatchObject({
      status: 503,
      body: { error: { type: 'Service Unavailable', param: null } },
    });
    expect(refused.headers.has('retry-after')).toBe(false);
    expect((await slow).status).toBe(200);
    expect((await post(CHAT, said({ tokens: 1 }))).status).toBe(200);
  });

  it('`promptTokensDetails` and `reasoning` decide about the details of usage', async () => {
    const usage = async () => (await post(CHAT, said({ tokens: 1 }))).body.usage;
    expect(await usage()).toMatchObject({ prompt_tokens_details: null, completion_tokens_details: null });
    await change({ promptTokensDetails: true, reasoning: true });
    expect(await usage()).toMatchObject({
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    });
  });
});

describe('an idle connection', () => {
  it('is closed by the server once it was kept alive for so long, and no later', async () => {
    const simulator = await startSimulator({ keepAliveMs: 150 });
    try {
      const startedAt = Date.now();
      await sendRaw(simulator.baseUrl, 'GET /health HTTP/1.1\r\nhost: sim\r\n\r\n', 4_000);
      expect(Date.now() - startedAt).toBeGreaterThan(100);
      // The client waits for four seconds.
      expect(Date.now() - startedAt).toBeLessThan(3_500);
    } finally {
      await simulator.close();
    }
  });
});
