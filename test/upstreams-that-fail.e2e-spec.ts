import { createServer, Server, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Simulator, startSimulator } from '../src/simulator/simulator';
import { TestGateway, TestUser } from './support/gateway';
import { freePort } from './support/gateway-process';
import { counterDifferences, settledRows } from './support/ledger';
import { send } from './support/send';
import {
  chat,
  gatewayOver,
  gaugesOf,
  generations,
  readinessOf,
  SERVED,
  statusOf,
  until,
  usersOf,
} from './support/several-vllms';
import { CHAT } from './support/wire';

/** A twentieth of the defaults, about: one that hangs is down after some 2 s. */
const SOON = { UPSTREAM_PROBE_AFTER_MS: '500', UPSTREAM_PROBE_TIMEOUT_MS: '1500', SHUTDOWN_GRACE_MS: '2000' };

describe('one of two servers', () => {
  let port: number;
  let vllms: [Simulator, Simulator];
  let gateway: TestGateway;
  let users: [TestUser, TestUser];

  beforeAll(async () => {
    port = await freePort();
    vllms = await Promise.all([
      startSimulator({ models: [SERVED] }),
      startSimulator({ models: [SERVED, { id: 'own', maxModelLen: 4_096 }], port }),
    ]);
    gateway = await gatewayOver(
      vllms.map(({ baseUrl }) => baseUrl),
      { ...SOON, MODEL_ALIASES: 'opencode-llm=served' },
    );
    users = await usersOf(gateway, vllms);
  });
  afterAll(async () => {
    await gateway.close();
    for (const vllm of vllms) await vllm.close();
  });

  it('that goes away leaves its requests to the other, keeps its models, and is used again when it is back', async () => {
    const [, user] = users;
    await vllms[1].close();
    for (let turn = 0; turn < 5; turn += 1) expect(await statusOf(gateway, user)).toBe(200);
    const rows = await settledRows(gateway, user.id);
    expect(rows.slice(-5).map(({ outcome, source }) => [outcome, source])).toEqual(
      Array.from({ length: 5 }, () => ['completed', 'exact']),
    );
    expect(await gaugesOf(gateway)).toEqual([
      `llm_gateway_upstream_up{upstream="${vllms[0].baseUrl}"} 1`,
      `llm_gateway_upstream_up{upstream="${vllms[1].baseUrl}"} 0`,
    ]);
    expect(await readinessOf(gateway)).toBe('up');
    const alone = await gateway.post(CHAT, user.key, chat({ tokens: 2 }, 'own'));
    expect([alone.status, await alone.text()]).toEqual([
      502,
      expect.stringContaining('upstream_unreachable'),
    ]);
    expect((await settledRows(gateway, user.id)).at(-1)).toMatchObject({
      outcome: 'upstream_error',
      prompt_tokens: 0,
    });

    // What it serves when it comes back is what counts.
    vllms[1] = await startSimulator({ models: [SERVED, { id: 'new', maxModelLen: 4_096 }], port });
    await until('used again', async () => {
      expect(await statusOf(gateway, user)).toBe(200);
      return generations(vllms[1]).length > 0;
    });
    expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'new'))).toBe(200);
    expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'own'))).toBe(404);
    expect((await gaugesOf(gateway)).map((line) => line.at(-1))).toEqual(['1', '1']);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('that goes away has the other count a prompt near a limit', async () => {
    const [, user] = users;
    const leave = (tokens: number) =>
      gateway.dataSource.query('UPDATE limits SET amount = $2 WHERE subject_id = $1', [user.id, tokens]);
    const { messages, ...rest } = chat({ tokens: 2 });
    const filler = { role: 'user', content: 'one two three '.repeat(150) };
    await vllms[1].close();
    // So near that vLLM has to count: that is the first to find out.
    await leave(2_000);
    const body = { ...rest, messages: [filler, ...messages], max_tokens: 200 };
    expect(await statusOf(gateway, user, body)).toBe(200);
    await leave(1_000_000);
    vllms[1] = await startSimulator({ models: [SERVED, { id: 'new', maxModelLen: 4_096 }], port });
    await until('used again', async () => {
      expect(await statusOf(gateway, user)).toBe(200);
      return generations(vllms[1]).length > 0;
    });
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('that hangs gets no new requests until it answers, and only without any other are they refused', async () => {
    const [one, other] = users;
    for (const vllm of vllms) vllm.journal.clear();
    const hang = async (index: 0 | 1, user: TestUser) => {
      vllms[index].settings.hung = true;
      const waiting = statusOf(gateway, user);
      await until('down', async () => (await gaugesOf(gateway))[index]?.at(-1) === '0');
      return waiting;
    };
    const waiting = [hang(1, other)];
    await until('down', async () => (await gaugesOf(gateway))[1]?.at(-1) === '0');
    for (const user of users) expect(await statusOf(gateway, user)).toBe(200);
    expect(vllms.map((vllm) => generations(vllm).length)).toEqual([2, 1]);
    expect(await readinessOf(gateway)).toBe('up');
    // Nobody else serves this one.
    expect(await statusOf(gateway, one, chat({ tokens: 2 }, 'new'))).toBe(503);

    waiting.push(hang(0, one));
    await until('down', async () => (await gaugesOf(gateway))[0]?.at(-1) === '0');
    const refused = await gateway.post(CHAT, one.key, chat({ tokens: 2 }));
    expect([refused.status, await refused.text()]).toEqual([
      503,
      expect.stringContaining('upstream_unavailable'),
    ]);
    await until('told', async () => (await readinessOf(gateway)) === 'down');

    vllms[0].settings.hung = false;
    await until('served', async () => (await statusOf(gateway, other)) === 200);
    vllms[1].settings.hung = false;
    expect(await Promise.all(waiting)).toEqual([200, 200]);
    await until('up', async () => (await gaugesOf(gateway))[1]?.at(-1) === '1');
    vllms[1].journal.clear();
    expect(await statusOf(gateway, other)).toBe(200);
    expect(generations(vllms[1])).toHaveLength(1);
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});

describe('a server that is not there at the start', () => {
  let vllm: Simulator;
  let gateway: TestGateway;
  let user: TestUser;
  let silent: Server;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    vllm = await startSimulator({ models: [SERVED] });
    // Takes connections and says nothing.
    silent = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => gateway.close());
  afterAll(async () => {
    await vllm.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('or says nothing, holds up nobody who asks for what another one serves', async () => {
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    gateway = await gatewayOver([url, vllm.baseUrl]);
    user = await gateway.register();
    const startedAt = Date.now();
    const models = await send(`${gateway.url}/v1/models`, { bearer: user.key });
    expect((models.body.data as { id: string }[]).map(({ id }) => id)).toEqual(['served']);
    for (let turn = 0; turn < 5; turn += 1)
      expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'served'))).toBe(200);
    // It is given up after 5 s.
    expect(Date.now() - startedAt).toBeLessThan(4_500);
  });

  it('keeps the name of the first one from meaning the model of another, until it has told', async () => {
    const port = await freePort();
    gateway = await gatewayOver([`http://127.0.0.1:${port}`, vllm.baseUrl]);
    user = await gateway.register();
    const before = generations(vllm).length;
    expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'served'))).toBe(200);
    expect(await statusOf(gateway, user)).toBe(502);
    const unnamed = await gateway.post('/chat/completions', user.accessToken, {
      ...chat({ tokens: 2 }),
      model: undefined,
    });
    expect([unnamed.status, generations(vllm).length]).toEqual([502, before + 1]);
    const first = await startSimulator({ models: [{ id: 'first', maxModelLen: 4_096 }], port });
    await until('served', async () => (await statusOf(gateway, user)) === 200);
    expect(generations(first)).toHaveLength(1);
    await first.close();
  });

  it('has its models listed once it is', async () => {
    const port = await freePort();
    gateway = await gatewayOver([vllm.baseUrl, `http://127.0.0.1:${port}/v1`]);
    user = await gateway.register();
    expect(await statusOf(gateway, user)).toBe(200);
    // Nobody knows whether there is such a model: a 404 would be final.
    expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'late'))).toBe(502);
    const late = await startSimulator({ models: [{ id: 'late', maxModelLen: 4_096 }], port });
    await until('served', async () => (await statusOf(gateway, user, chat({ tokens: 2 }, 'late'))) === 200);
    expect(await statusOf(gateway, user, chat({ tokens: 2 }, 'nowhere'))).toBe(404);
    await late.close();
  });
});

describe('a server that is exchanged for one with another model while nobody asks', () => {
  it('sends those who come too late to the one that still has it', async () => {
    const port = await freePort();
    const stays = await startSimulator({ models: [SERVED] });
    const goes = await startSimulator({ models: [SERVED], port });
    const gateway = await gatewayOver([stays.baseUrl, goes.baseUrl]);
    const [, led] = await usersOf(gateway, [stays, goes]);
    await goes.close();
    const comes = await startSimulator({ models: [{ id: 'other', maxModelLen: 4_096 }], port });
    const statuses: number[] = [];
    await until(
      'served',
      async () => statuses.push(await statusOf(gateway, led)) > 0 && statuses.at(-1) === 200,
    );
    expect(statuses.filter((status) => status !== 503 && status !== 200)).toEqual([]);
    expect(await statusOf(gateway, led, chat({ tokens: 2 }, 'other'))).toBe(200);
    expect(await counterDifferences(gateway)).toEqual([]);
    await gateway.close();
    for (const vllm of [stays, comes]) await vllm.close();
  });
});
