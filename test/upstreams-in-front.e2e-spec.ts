import { createServer, Socket } from 'node:net';
import { startSimulator } from '../src/simulator/simulator';
import { counterDifferences, settledRows } from './support/ledger';
import {
  chat,
  gatewayOver,
  gaugesOf,
  generations,
  SERVED,
  statusOf,
  until,
  usersOf,
} from './support/several-vllms';
import { CHAT } from './support/wire';

describe('one of two servers whose port something else answers for', () => {
  it('leaves its requests to the other one after the first that was broken off, and gets them back', async () => {
    const start = (port = 0) => startSimulator({ models: [SERVED], port });
    const [stays, goes] = [await start(), await start()];
    const port = Number(new URL(goes.baseUrl).port);
    const gateway = await gatewayOver([stays.baseUrl, goes.baseUrl], {
      MODEL_ALIASES: 'opencode-llm=served',
    });
    const [, led] = await usersOf(gateway, [stays, goes]);
    await goes.close();
    // As a proxy whose backend is away: it takes connections and ends them.
    const proxy = createServer((socket: Socket) => socket.on('error', () => undefined).destroy());
    await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
    expect(await statusOf(gateway, led)).toBe(502);
    await until('away', async () => (await gaugesOf(gateway))[1]?.at(-1) === '0');
    for (let turn = 0; turn < 5; turn += 1) expect(await statusOf(gateway, led)).toBe(200);
    await new Promise((resolve) => proxy.close(resolve));
    const back = await start(port);
    await until('used again', async () => {
      expect(await statusOf(gateway, led)).toBe(200);
      return generations(back).length > 0;
    });
    // A client that leaves is nobody's fault.
    const leaving = new AbortController();
    const left = fetch(gateway.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${led.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(chat({ tokens: 2, ttftMs: 60_000 }, 'opencode-llm', true)),
      signal: leaving.signal,
    });
    await until('asked', () => back.journal.running > 0);
    const before = back.journal.entries.filter(({ path }) => path === '/v1/models').length;
    leaving.abort();
    await expect(left).rejects.toThrow();
    await settledRows(gateway, led.id);
    expect(back.journal.entries.filter(({ path }) => path === '/v1/models')).toHaveLength(before);
    expect(await counterDifferences(gateway)).toEqual([]);
    await gateway.close();
    for (const vllm of [stays, back]) await vllm.close();
  });
});
