import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';

describe('faults of vLLM', () => {
  let gateway: TestGateway;
  let user: TestUser;
  /** The gateway's connections to vLLM. */
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    subscribe('undici:client:connected', (message) => {
      const { socket, connectParams } = message as { socket: Socket; connectParams: { port: string } };
      if (gateway.simulator.baseUrl.endsWith(`:${connectParams.port}`)) sockets.add(socket);
    });
    gateway = await startGateway({
      // Waited for below, but longer than a busy machine takes for an answer.
      settings: { UPSTREAM_FIRST_BYTE_TIMEOUT_MS: '4000', UPSTREAM_IDLE_TIMEOUT_MS: '3000' },
    });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const fails = (steps: object, stream: boolean) =>
    gateway.post('/v1/chat/completions', user.key, {
      model: 'opencode-llm',
      messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
      stream,
    });
  const refusal = (message: string) =>
    JSON.stringify({ error: { message, type: 'BadRequestError', param: null, code: 400 } });
  const errorOf = async (answer: Response) =>
    ((await answer.json()) as { error: { message: string; type: string; code: unknown } }).error;

  it.each([
    [500, 502, 'upstream_error'],
    [503, 503, 'upstream_busy'],
    [429, 429, 'upstream_busy'],
    [401, 502, 'upstream_misconfigured'],
  ])('%i is answered with %i %s', async (status, expected, code) => {
    const answer = await fails({ status, retryAfter: 7200 }, false);
    expect(answer.status).toBe(expected);
    expect((await errorOf(answer)).code).toBe(code);
    if (code === 'upstream_busy') expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  });

  it('a redirect is not followed', async () => {
    expect((await fails({ redirectTo: 'http://127.0.0.1:1/' }, false)).status).toBe(502);
  });

  it('a connection that dies before the answer is a 502, streaming or not', async () => {
    for (const stream of [false, true]) expect((await fails({ refuse: true }, stream)).status).toBe(502);
  });

  it('an empty stream is a 502, never an empty 200', async () => {
    expect((await fails({ emptyStream: true }, true)).status).toBe(502);
  });

  it.each([
    ['dies', { dieAfterChunks: 3, tokens: 20 }],
    ['ends early', { endAfterChunks: 3, tokens: 20 }],
    ['says [DONE] without a finish reason', { doneWithoutFinish: true, tokens: 20 }],
    ['falls silent', { stallAfterChunks: 3, tokens: 20 }],
    ['fails in the stream', { errorFrameAfterChunks: 3, tokens: 20 }],
  ])('a stream that %s ends with one error event and [DONE]', async (_, steps) => {
    const text = await (await fails(steps, true)).text();
    const events = text.trimEnd().split('\n\n');
    expect(events.at(-1)).toBe('data: [DONE]');
    expect(events.at(-2)).toMatch(/^data: \{"error": ?\{/);
    expect(events.filter((event) => event.startsWith('data: {"error"'))).toHaveLength(1);
    const rows = await settledRows(gateway, user.id);
    expect(rows.at(-1)).toMatchObject({ outcome: 'upstream_error' });
  });

  it.each([
    ['that vLLM keeps the connection of', { tokens: 4, holdAfterDone: true }, 'completed'],
    [
      'that failed, and whose connection stays',
      { errorFrameAfterChunks: 2, holdAfterDone: true },
      'upstream_error',
    ],
  ])('a stream %s ends as vLLM said, and only once', async (_, steps, outcome) => {
    const text = await (await fails({ tokens: 9, ...steps }, true)).text();
    const errors = text.split('\n\n').filter((event) => event.startsWith('data: {"error"'));
    expect(errors).toHaveLength(outcome === 'completed' ? 0 : 1);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const rows = await settledRows(gateway, user.id);
    expect(rows.at(-1)).toMatchObject({ outcome, status: 200, source: 'exact' });
  });

  it('an error event of a stream names the model as the client does', async () => {
    const body = refusal('simulated-llm has no more than 20 logprobs');
    const text = await (await fails({ errorFrameAfterChunks: 2, tokens: 9, body }, true)).text();
    expect(text).toContain('"message":"opencode-llm has no more than 20 logprobs"');
    expect(text).not.toContain('simulated-llm');
  });

  it.each(['EHOSTUNREACH', 'ECONNREFUSED'])(
    'a connection that breaks with %s is not made again: the request was under way',
    async (code) => {
      for (const stream of [true, false]) {
        gateway.simulator.journal.clear();
        const answer = fails({ tokens: 400, tbtMs: 5 }, stream);
        const generations = () =>
          gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
        while (!generations()[0]) await new Promise((resolve) => setTimeout(resolve, 10));
        if (stream) await answer;
        for (const socket of sockets) socket.destroy(Object.assign(new Error('no route'), { code }));
        const text = await (await answer).text();
        expect(text).toContain(stream ? 'The connection to the model server broke.' : '"upstream_error"');
        const rows = await settledRows(gateway, user.id);
        expect(generations()).toHaveLength(1);
        expect(rows.at(-1)).toMatchObject({
          outcome: 'upstream_error',
          request_id: generations()[0]?.requestId,
        });
        if (stream) expect(rows.at(-1)?.completion_tokens).toBeGreaterThan(0);
      }
    },
  );

  it('a connection that is refused once is made again: vLLM is about to listen, or its front end restarts', async () => {
    const relayed = new Set<Socket>();
    const door = createServer((client) => {
      const { hostname, port } = new URL(gateway.simulator.baseUrl);
      const vllm = connect(Number(port), hostname);
      client.pipe(vllm).pipe(client);
      for (const socket of [client, vllm]) relayed.add(socket.on('error', () => undefined));
    });
    await new Promise<void>((resolve) => door.listen(0, resolve));
    const { port } = door.address() as AddressInfo;
    const settings = { VLLM_BASE_URL: `http://127.0.0.1:${port}` };
    const behindDoor = await startGateway({ replicaOf: gateway, settings });
    const ask = () =>
      behindDoor.post('/v1/chat/completions', user.key, {
        model: 'opencode-llm',
        messages: [{ role: 'user', content: 'hi' }],
      });
    expect((await ask()).status).toBe(200);
    const shut = () => {
      door.close();
      for (const socket of relayed) socket.destroy();
    };
    shut();
    gateway.simulator.journal.clear();
    const answer = await ask();
    expect([answer.status, (await errorOf(answer)).code]).toEqual([502, 'upstream_unreachable']);
    // Undici tells of a failed connection before it fails what waited for it.
    const refused: string[] = [];
    const openAgain = (message: unknown): void => {
      const { error, connectParams } = message as {
        error: { code: string };
        connectParams: { port: string };
      };
      if (connectParams.port !== String(port)) return;
      refused.push(error.code);
      if (!door.listening) door.listen(port);
    };
    subscribe('undici:client:connectError', openAgain);
    expect((await ask()).status).toBe(200);
    unsubscribe('undici:client:connectError', openAgain);
    expect(refused).toEqual(['ECONNREFUSED']);
    const generations = gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
    expect(generations).toHaveLength(1);
    await behindDoor.close();
    shut();
  });

  it('half of all requests failing is no reason to ask vLLM more often: one request, one question', async () => {
    gateway.simulator.journal.clear();
    const kinds = [{ status: 500 }, { status: 503 }, { refuse: true }, { dieAfterChunks: 2, tokens: 9 }];
    const asked = Array.from({ length: 40 }, (_, turn) =>
      fails(turn % 2 === 0 ? { tokens: 3 } : (kinds[(turn >> 1) % 4] as object), turn % 3 === 0),
    );
    const answers = await Promise.all(
      asked.map(async (answer) => [(await answer).status, await (await answer).text()]),
    );
    expect(
      answers.filter(([status, text]) => status === 200 && !String(text).includes('"error"')),
    ).toHaveLength(20);
    const calls = gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
    expect(calls).toHaveLength(40);
  });

  it('silence before the first byte is a 504', async () => {
    const answers = await Promise.all([false, true].map((stream) => fails({ neverAnswer: true }, stream)));
    expect(answers.map(({ status }) => status)).toEqual([504, 504]);
  });

  it('comments keep nothing alive: a stream that brings only those has fallen silent', async () => {
    // It would go on for ever.
    const text = await (await fails({ stallAfterChunks: 2, tokens: 9, commentEveryMs: 100 }, true)).text();
    expect(text.trimEnd().split('\n\n').at(-2)).toMatch(/^data: \{"error"/);
  });

  it('a stream of comments alone is a 504, in the ledger too', async () => {
    const answer = await fails({ ttftMs: 60_000, tokens: 9, commentEveryMs: 100 }, true);
    expect(answer.status).toBe(504);
    expect((await settledRows(gateway, user.id)).at(-1)).toMatchObject({
      outcome: 'upstream_error',
      status: 504,
    });
  });

  it.each([
    [400, 400, 'rejected'],
    [503, 503, 'rejected'],
    [500, 502, 'upstream_error'],
  ])(
    'a stream whose first event is an error %i is refused with %i, and costs nothing',
    async (code, status, outcome) => {
      const answer = await fails({ errorFirst: code }, true);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect((await errorOf(answer)).message).toEqual(expect.any(String));
      const rows = await settledRows(gateway, user.id);
      expect(rows.at(-1)).toMatchObject({ outcome, prompt_tokens: 0, completion_tokens: 0 });
    },
  );

  it('its refusals name the model as the client does', async () => {
    const answer = await fails(
      { status: 400, body: refusal('simulated-llm is not a multimodal model') },
      false,
    );
    expect((await errorOf(answer)).message).toBe('opencode-llm is not a multimodal model');
  });

  it('events split at any byte arrive whole', async () => {
    const plain = await (await fails({ tokens: 12 }, true)).text();
    const split = await (await fails({ tokens: 12, splitBytes: true }, true)).text();
    const contents = (text: string) => text.match(/"content":"[^"]*"/g);
    expect(contents(split)?.length).toBe(contents(plain)?.length);
    expect(split.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('headers of vLLM do not reach the client', async () => {
    const answer = await fails(
      { responseHeaders: { 'set-cookie': 'a=b', server: 'x', 'x-powered-by': 'y' } },
      false,
    );
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('server')).toBeNull();
  });
});
