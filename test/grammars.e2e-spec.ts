import { startGateway, TestGateway, TestUser } from './support/gateway';
import { bookkeeping, dispatched } from './support/bookkeeping';
import { settledRows } from './support/ledger';
import { CHAT } from './support/wire';

const LIMIT = 60;
/** Few enough that even a slow machine sends them all within the minute. */
const MANY = 300;
const AT_ONCE = 20;

describe('grammars that vLLM would have to compile', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const ask = (fields: object, path = CHAT, who = user) => {
    const [credential, body] =
      path === '/chat/completions'
        ? [who.accessToken, { messages: [{ role: 'user', content: 'hi' }] }]
        : [who.key, path === CHAT ? { messages: [{ role: 'user', content: 'hi' }] } : { prompt: 'hi' }];
    return gateway.post(path, credential, { model: 'opencode-llm', max_tokens: 1, ...body, ...fields });
  };
  const schema = (index: number) => ({ type: 'object', properties: { [`p${index}`]: { type: 'string' } } });
  const tools = (index: number, more: object) => ({
    tools: [{ type: 'function', function: { name: 'f', parameters: schema(index) } }],
    ...more,
  });
  /** In all the ways there are, one after the other. */
  const unique = (index: number): [fields: object, path: string] =>
    (
      [
        [
          { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: schema(index) } } },
          CHAT,
        ],
        [{ structured_outputs: { regex: `a{${index}}` } }, '/v1/completions'],
        [tools(index, { tool_choice: 'required' }), '/chat/completions'],
        [tools(index, { tool_choice: { type: 'function', function: { name: 'f' } } }), `${CHAT}?a=b`],
        [{ structured_outputs: { choice: [`c${index}`] }, stream: true }, CHAT],
      ] as const
    )[index % 5] as [object, string];

  it('are taken from one account 60 times a minute, of three hundred, and those that are repeated always', async () => {
    const statuses: number[] = [];
    let next = 0;
    let refused: { after: number; text: string } | undefined;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < MANY) {
          const [fields, path] = unique((next += 1));
          const answer = await ask(fields, path === `${CHAT}?a=b` ? CHAT : path);
          statuses.push(answer.status);
          const text = await answer.text();
          if (answer.status === 429) refused ??= { after: Number(answer.headers.get('retry-after')), text };
        }
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(LIMIT);
    expect(statuses.filter((status) => status === 429)).toHaveLength(MANY - LIMIT);
    expect(dispatched(gateway).filter((path) => path.endsWith('/completions'))).toHaveLength(LIMIT);
    expect(refused?.after).toBeGreaterThan(0);
    expect(refused?.after).toBeLessThanOrEqual(60);
    expect(JSON.parse(refused?.text ?? '')).toEqual({
      error: {
        message: expect.stringMatching(/^Too many different grammars .* Retry after \d+ s\.$/),
        type: 'rate_limit_error',
        param: null,
        code: 'rate_limit_exceeded',
      },
    });
    expect(await settledRows(gateway, user.id)).toHaveLength(LIMIT);

    const before = await bookkeeping(gateway);
    expect((await ask(unique(MANY + 1)[0])).status).toBe(429);
    expect(await bookkeeping(gateway)).toEqual(before);
    // The first of all of them, which has its place.
    for (const [fields, path] of [unique(1), unique(1)]) expect((await ask(fields, path)).status).toBe(200);
    for (const free of [
      {},
      { response_format: { type: 'json_object' } },
      tools(9_999, { tool_choice: 'auto' }),
    ])
      expect((await ask(free)).status).toBe(200);
    const other = await gateway.register();
    expect((await ask(unique(MANY + 1)[0], CHAT, other)).status).toBe(200);
  });
});
