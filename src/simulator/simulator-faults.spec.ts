import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../../test/support/send';
import { call } from '../../test/support/stream-client';
import type { Simulator } from './simulator';
import { startSimulator } from './simulator';

describe('a scripted fault', () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator();
  });

  beforeEach(async () => {
    await simulator.journal.waitForIdle(30_000);
    simulator.journal.clear();
  });

  afterAll(() => simulator.close());

  const ask = (script: object, body: object = {}, hangUpAfterMs?: number) =>
    call({
      url: simulator.baseUrl,
      path: '/v1/chat/completions',
      credential: 'any',
      body: { messages: [{ role: 'user', content: `SIM:${JSON.stringify(script)}` }], ...body },
      hangUpAfterMs,
    });
  const STREAM = { stream: true };
  const WITH_USAGE = { stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } };
  const deltas = (text: string) => text.split('"delta":{"content"').length - 1;
  const entry = () => simulator.journal.entries[0];

  it('`status` answers with an error of vLLM and generates nothing', async () => {
    const answer = await ask({ status: 500 });
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { type: 'InternalServerError', code: 500 } });
    expect(entry()).toMatchObject({ outcome: 'fault', status: 500, completionTokens: 0 });
  });

  it('`status` 503 speaks of a busy engine, with Retry-After and a body only when told', async () => {
    const plain = await ask({ status: 503 });
    expect(plain.text).toContain('The engine is currently busy');
    const url = `${simulator.baseUrl}/v1/completions`;
    const prompt = 'SIM:{"status":503,"retryAfter":7,"body":"upstream is down"}';
    const own = await send(url, { json: { prompt } });
    expect(own).toMatchObject({ status: 503, text: 'upstream is down' });
    expect(own.headers.get('retry-after')).toBe('7');
  });

  it('`refuse` closes the connection without a byte', async () => {
    expect(await ask({ refuse: true })).toMatchObject({ status: 0, hungUp: true, text: '' });
    expect(entry()).toMatchObject({ outcome: 'fault', completionTokens: 0 });
  });

  it('`neverAnswer` holds the connection until the client leaves', async () => {
    const answer = await ask({ neverAnswer: true }, STREAM, 200);
    expect(answer).toMatchObject({ status: 0, hungUp: true });
    await simulator.journal.waitForIdle(30_000);
    expect(entry()).toMatchObject({ outcome: 'cancelled', completionTokens: 0 });
  });

  it('`redirectTo` answers with a place elsewhere', async () => {
    const answer = await fetch(`${simulator.baseUrl}/v1/completions`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'SIM:{"redirectTo":"http://elsewhere.example/"}' }),
    });
    expect(answer.status).toBe(307);
    expect(answer.headers.get('location')).toBe('http://elsewhere.example/');
  });

  it('`responseHeaders` go out with the answer', async () => {
    const answer = await send(`${simulator.baseUrl}/v1/completions`, {
      json: { prompt: 'SIM:{"responseHeaders":{"x-secret":"1"}}' },
    });
    expect(answer.headers.get('x-secret')).toBe('1');
  });

  it('`emptyStream` is a 200 that ends without a byte', async () => {
    expect(await ask({ emptyStream: true }, STREAM)).toMatchObject({ status: 200, hungUp: false, text: '' });
  });

  it('`dieAfterChunks` resets a stream after so many chunks', async () => {
    const answer = await ask({ tokens: 9, dieAfterChunks: 3 }, STREAM);
    expect(answer.hungUp).toBe(true);
    expect(deltas(answer.text)).toBe(3);
    expect(entry()).toMatchObject({ completionTokens: 3 });
  });

  it('`dieAfterChunks` resets a JSON answer in the middle of its body', async () => {
    const answer = await ask({ tokens: 9, dieAfterChunks: 1 });
    expect(answer).toMatchObject({ status: 200, hungUp: true });
    expect(() => JSON.parse(answer.text) as unknown).toThrow(SyntaxError);
  });

  it('`endAfterChunks` ends the stream cleanly, without finish reason or [DONE]', async () => {
    const answer = await ask({ tokens: 9, endAfterChunks: 3 }, STREAM);
    expect(answer.hungUp).toBe(false);
    expect(deltas(answer.text)).toBe(3);
    expect(answer.text).not.toMatch(/\[DONE\]|"finish_reason":"/);
    expect(entry()).toMatchObject({ outcome: 'fault', completionTokens: 3 });
  });

  it('`stallAfterChunks` falls silent and keeps the connection, with comments when told', async () => {
    const silent = await ask({ tokens: 9, stallAfterChunks: 2 }, STREAM, 200);
    expect(silent.text).not.toContain('keep-alive');
    const prompt = 'SIM:{"tokens":9,"stallAfterChunks":2,"commentEveryMs":10}';
    const text = await listen(simulator.baseUrl, prompt, (heard) => /(: keep-alive\n\n){3,}$/.test(heard));
    expect(text.split('data: {').length - 1).toBe(2);
  });

  it('`errorFrameAfterChunks` says the engine died, and [DONE]', async () => {
    const answer = await ask({ tokens: 9, errorFrameAfterChunks: 2 }, WITH_USAGE);
    expect(deltas(answer.text)).toBe(2);
    expect(answer.text).toMatch(
      /data: {"error":{"message":"The server had an error[^"]+","type":"InternalServerError","param":null,"code":500}}\n\ndata: \[DONE\]\n\n$/,
    );
    expect(answer.text).not.toContain('"finish_reason":"');
  });

  it('an error frame of a completion has spaces in its JSON', async () => {
    const prompt = 'SIM:{"tokens":9,"errorFrameAfterChunks":2}';
    expect(await listen(simulator.baseUrl, prompt, () => false)).toMatch(
      /data: {"error": {"message": "The server had an error[^"]+", "type": "InternalServerError", "param": null, "code": 500}}\n\ndata: \[DONE\]\n\n$/,
    );
  });

  it('`errorFirst` is an error frame in a 200 before anything was generated', async () => {
    const answer = await ask({ errorFirst: 503 }, STREAM);
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(
      /^data: {"error":{"message":"The engine is currently busy.*\n\ndata: \[DONE\]\n\n$/,
    );
    expect(entry()).toMatchObject({ outcome: 'rejected', completionTokens: 0 });
  });

  it('`doneWithoutFinish` says [DONE] although no choice ended', async () => {
    const answer = await ask({ tokens: 3, doneWithoutFinish: true }, WITH_USAGE);
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(answer.text).not.toContain('"finish_reason":"');
  });

  it.each([
    ['omit', undefined],
    ['zero', expect.objectContaining({ completion_tokens: 0 })],
    ['bad', expect.objectContaining({ prompt_tokens: '12', completion_tokens: -3 })],
  ])('`usage` %s spoils the usage of JSON answers and streams alike', async (usage, expected) => {
    const whole = JSON.parse((await ask({ tokens: 3, usage })).text) as { usage?: object };
    const { text } = await ask({ tokens: 3, usage }, WITH_USAGE);
    const chunk = text.includes('"choices":[]')
      ? (JSON.parse(text.split('data: ').at(-2) ?? '') as { usage?: object })
      : {};
    for (const answer of [whole, chunk]) expect(answer.usage).toEqual(expected);
  });

  it('`splitBytes` cuts frames at any byte and loses none', async () => {
    const pieces = async (script: object) => {
      const answer = await fetch(`${simulator.baseUrl}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: `SIM:${JSON.stringify(script)}`, stream: true }),
      });
      const read: Buffer[] = [];
      for await (const piece of answer.body ?? []) read.push(Buffer.from(piece));
      return read;
    };
    const texts = (read: Buffer[]) =>
      Buffer.concat(read)
        .toString()
        .match(/"text":"[^"]*"/g);
    const whole = await pieces({ text: 'Grüße 🙂 世界', tokens: 6 });
    const split = await pieces({ text: 'Grüße 🙂 世界', tokens: 6, splitBytes: true });
    expect(texts(split)).toEqual(texts(whole));
    expect(split.some((piece) => !piece.toString().endsWith('\n\n'))).toBe(true);
  });

  it('`hugeChunkBytes` makes the first chunk that long', async () => {
    const answer = await ask({ tokens: 2, hugeChunkBytes: 100_000 }, STREAM);
    expect(answer.text).toContain('x'.repeat(100_000));
    expect(deltas(answer.text)).toBe(2);
  });

  it('`truncatedJson` and `nonJson` are 200 answers that are no JSON', async () => {
    const truncated = await ask({ truncatedJson: true });
    expect(truncated).toMatchObject({ status: 200, hungUp: false });
    expect(truncated.text).toMatch(/^{"id"/);
    expect(() => JSON.parse(truncated.text) as unknown).toThrow(SyntaxError);
    expect(await ask({ nonJson: true })).toMatchObject({ status: 200, text: 'upstream proxy says hello' });
  });
});

describe('the end of a simulated server', () => {
  const body = {
    stream: true,
    messages: [{ role: 'user', content: 'SIM:{"tokens":500,"tbtMs":20}' }],
  };

  it('by SIGTERM leaves requests in flight without another byte, and refuses new connections', async () => {
    const simulator = await startSimulator();
    try {
      const path = '/v1/chat/completions';
      let leaves = false;
      const hangUpOnce = () => leaves;
      const stream = call({ url: simulator.baseUrl, path, credential: 'any', body, hangUpOnce });
      const generated = () => simulator.journal.entries[0]?.completionTokens ?? 0;
      while (generated() < 5) await sleep(10);
      simulator.terminate();
      const atTheEnd = generated();
      expect(await connects(simulator.baseUrl)).toBe(false);
      await sleep(200);
      leaves = true;
      const { text, hungUp } = await stream;
      expect(hungUp).toBe(true);
      expect(text).not.toMatch(/\[DONE\]|error/);
      await simulator.journal.waitForIdle(30_000);
      expect(simulator.journal.entries[0]).toMatchObject({
        outcome: 'cancelled',
        completionTokens: atTheEnd,
      });
    } finally {
      await simulator.close();
    }
  });

  it('by hanging generates nothing for who leaves meanwhile, and its counters stand still', async () => {
    const simulator = await startSimulator({ hung: true });
    try {
      for (const stream of [true, false])
        await call({
          url: simulator.baseUrl,
          path: '/v1/completions',
          credential: 'any',
          body: { prompt: 'hello', stream },
          hangUpAfterMs: 200,
        });
      await simulator.journal.waitForIdle(30_000);
      expect(simulator.journal.entries.map(({ completionTokens }) => completionTokens)).toEqual([0, 0]);
      const { text } = await send(`${simulator.baseUrl}/metrics`);
      expect(text.match(/^vllm:(prompt|generation)_tokens_total.* (\S+)$/gm)).toEqual([
        expect.stringMatching(/ 0\.0$/),
        expect.stringMatching(/ 0\.0$/),
      ]);
    } finally {
      await simulator.close();
    }
  });

  it('by hanging goes on with comments, and with the answer once it does not hang any more', async () => {
    const simulator = await startSimulator({ hung: true, sseKeepAliveMs: 10 });
    try {
      const text = await listen(simulator.baseUrl, 'hello', (heard) => {
        if (heard.split(': keep-alive').length > 3) simulator.settings.hung = false;
        return false;
      });
      expect(text).toMatch(/^(: keep-alive\n\n){3,}data: /);
      expect(text).toMatch(/data: \[DONE\]\n\n$/);
    } finally {
      await simulator.close();
    }
  });
});

/** What a stream says, until it ends or enough has been heard of it. */
async function listen(url: string, prompt: string, isEnough: (heard: string) => boolean): Promise<string> {
  const answer = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt, stream: true, max_tokens: 9 }),
  });
  let text = '';
  for await (const part of answer.body ?? []) {
    text += Buffer.from(part).toString();
    if (isEnough(text)) break;
  }
  return text;
}

function connects(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
