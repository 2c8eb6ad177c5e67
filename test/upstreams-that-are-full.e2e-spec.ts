import { request } from 'node:http';
import { Simulator, startSimulator } from '../src/simulator/simulator';
import { TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { RawUpstream, startRawUpstream } from './support/raw-upstream';
import { chat, gatewayOver, generations, SERVED, statusOf, until, usersOf } from './support/several-vllms';
import { CHAT } from './support/wire';

const BUSY = 'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: ';
const ALIASES = { MODEL_ALIASES: 'opencode-llm=served' };

describe('a request that one of several servers has no room for', () => {
  let vllms: [Simulator, Simulator, Simulator];
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    const start = () => startSimulator({ models: [SERVED] });
    vllms = [await start(), await start(), await start()];
    gateway = await gatewayOver(
      vllms.map(({ baseUrl }) => baseUrl),
      ALIASES,
    );
  });
  afterAll(async () => {
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });
  beforeEach(async () => {
    const [first, second] = vllms;
    [user] = await usersOf(gateway, [first, second]);
    for (const { journal } of vllms) journal.clear();
  });
  afterEach(() => {
    for (const { settings } of vllms) Object.assign(settings, { maxUnfinished: null, hung: false });
  });

  const counts = () => vllms.map((vllm) => generations(vllm).length);

  it.each([false, true])('is served by another one, streamed: %s, and billed once', async (stream) => {
    vllms[0].settings.maxUnfinished = 0;
    const answer = await gateway.post(CHAT, user.key, chat({ tokens: 7 }, 'opencode-llm', stream));
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('simulate')]);
    const [own, ...others] = counts();
    expect([own, others.toSorted()]).toEqual([1, [0, 1]]);
    const rows = await settledRows(gateway, user.id);
    expect(rows.at(-1)).toMatchObject({ outcome: 'completed', source: 'exact', completion_tokens: 7 });
    expect(rows.filter(({ outcome }) => outcome !== 'completed')).toEqual([]);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('is refused when that one has none either: no more than two are asked', async () => {
    for (const { settings } of vllms) settings.maxUnfinished = 0;
    const answer = await gateway.post(CHAT, user.key, chat({ tokens: 7 }));
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('upstream_busy')]);
    expect(counts().toSorted()).toEqual([0, 1, 1]);
    expect((await settledRows(gateway, user.id)).at(-1)).toMatchObject({
      outcome: 'rejected',
      prompt_tokens: 0,
      completion_tokens: 0,
    });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('that was being generated stays where it broke off', async () => {
    const [own] = vllms;
    expect(await statusOf(gateway, user, chat({ tokens: 9, dieAfterChunks: 0 }))).toBe(502);
    expect(counts()).toEqual([1, 0, 0]);
    expect((await settledRows(gateway, user.id)).at(-1)).toMatchObject({ outcome: 'upstream_error' });
    expect(generations(own)).toHaveLength(1);
  });

  it('waits there when that one hangs, and its client pays for the prompt alone when it leaves', async () => {
    vllms[0].settings.maxUnfinished = 0;
    for (const vllm of vllms.slice(1)) vllm.settings.hung = true;
    const body = JSON.stringify(chat({ tokens: 5 }, 'opencode-llm', true));
    const headers = { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' };
    const asked = request(gateway.url + CHAT, { method: 'POST', headers }).on('error', () => undefined);
    asked.end(body);
    await until('moved', () => counts().join('') !== '100' && counts()[0] === 1);
    asked.destroy();
    await until('left', () => vllms.every(({ journal }) => journal.unfinished === 0));
    // The second server took it: its prompt is worked on.
    const row = (await settledRows(gateway, user.id)).at(-1);
    expect(row).toMatchObject({ outcome: 'client_closed', completion_tokens: 0 });
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

describe('a refusal for want of room', () => {
  let full: RawUpstream;
  let vllm: Simulator;
  let gateway: TestGateway;
  let led: TestUser;

  beforeAll(async () => {
    [full, vllm] = [await startRawUpstream(), await startSimulator({ models: [SERVED] })];
    gateway = await gatewayOver([full.url, vllm.baseUrl], ALIASES);
    full.answer = (socket) => socket.write(`${BUSY}2\r\n\r\n{}`);
    // One whose requests go to the full server first.
    const asked = (user: TestUser) =>
      new Promise<boolean>((resolve) => {
        let isLed = false;
        full.answer = (socket) => {
          isLed = true;
          socket.write(`${BUSY}2\r\n\r\n{}`);
        };
        void statusOf(gateway, user).then(() => resolve(isLed));
      });
    do led = await gateway.register();
    while (!(await asked(led)));
  });
  afterAll(async () => {
    await gateway.close();
    await vllm.close();
    full.close();
  });

  it.each<[string, string, string]>([
    ['429', `${BUSY.replace('503 Service Unavailable', '429 Too Many Requests')}2\r\n\r\n{}`, ''],
    ['that comes in parts', `${BUSY}4\r\n\r\n{`, '{}}'],
    ['that never ends', `${BUSY}9\r\n\r\n{`, ''],
  ])('%s leads to another server', async (_, head, rest) => {
    let closed: Promise<unknown> = Promise.resolve();
    full.answer = (socket) => {
      closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(head);
      if (rest !== '') setTimeout(() => socket.write(rest), 200);
    };
    expect(await statusOf(gateway, led)).toBe(200);
    // One that says no end of it loses its connection.
    if (head.endsWith('{') && rest === '') await closed;
    full.answer = (socket) => socket.write(`${BUSY}2\r\n\r\n{}`);
    expect(await statusOf(gateway, led)).toBe(200);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('leads nowhere once its client has left: nobody would read what another one made', async () => {
    const leaving = new AbortController();
    const refused = new Promise<void>((resolve) => {
      full.answer = (socket) => {
        leaving.abort();
        setTimeout(() => socket.write(`${BUSY}2\r\n\r\n{}`, () => resolve()), 300);
      };
    });
    const before = generations(vllm).length;
    const left = fetch(gateway.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${led.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(chat({ tokens: 2 })),
      signal: leaving.signal,
    });
    await expect(left).rejects.toThrow();
    await refused;
    expect((await settledRows(gateway, led.id)).at(-1)).toMatchObject({
      outcome: 'client_closed',
      prompt_tokens: 0,
      completion_tokens: 0,
    });
    expect(generations(vllm)).toHaveLength(before);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});
