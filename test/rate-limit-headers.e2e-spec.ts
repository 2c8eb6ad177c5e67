import { DatabaseGate, openDatabaseGate } from './support/database-gate';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { LostTime } from './support/lost-time';

const CHAT = '/v1/chat/completions';
const says = (steps: object) => ({
  model: 'opencode-llm',
  max_tokens: 5,
  messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
});

interface Window {
  subject: string;
  metric: string;
  window: string;
  limit: number;
  remaining: number;
}

/** Only those that tell of limits, without their common prefix. */
const ratesOf = ({ headers }: Response) =>
  Object.fromEntries(
    [...headers].flatMap(([name, value]) =>
      name.startsWith('x-ratelimit-') ? [[name.slice('x-ratelimit-'.length), value]] : [],
    ),
  );

/** It is left out when PostgreSQL takes half a second, as it may on a busy machine: then it is asked for again. */
async function told(ask: () => Promise<Response>): Promise<Response> {
  let answer = await ask();
  for (let again = 0; again < 5 && Object.keys(ratesOf(answer)).length === 0; again += 1)
    answer = await ask();
  return answer;
}

describe('what is left of the limits', () => {
  let gateway: TestGateway;
  let gate: DatabaseGate;
  let beside: TestGateway;
  let user: TestUser;
  const lost = new LostTime();

  beforeAll(async () => {
    beside = await startGateway({ settings: { MAX_BODY_BYTES: '65536' } });
    gate = await openDatabaseGate(beside.env.DATABASE_URL as string);
    const settings = { MAX_BODY_BYTES: '65536', DATABASE_URL: gate.url };
    gateway = await startGateway({ replicaOf: beside, settings });
  });
  afterAll(async () => {
    await lost.stop();
    gate.open();
    await gateway.close();
    await gate.close();
    await beside.close();
  });
  beforeEach(async () => {
    gate.open();
    user = await beside.register();
  });

  const limit = (
    subject: string,
    subjectId: string,
    metric: string,
    period: string,
    amount: number,
    model = '',
  ) =>
    beside.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, model, set_by)
       VALUES ($1, $2, $3, $4, $5, $6, 'admin')`,
      [subject, subjectId, metric, period, amount, model],
    );
  const keyId = async () => {
    const [key] = await beside.dataSource.query<{ id: string }[]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [user.id],
    );
    return key?.id ?? '';
  };
  /** A limit on tokens that is the key's, one on requests that is the user's, wider ones beside them, and some use. */
  const limited = async () => {
    await limit('user', user.id, 'tokens', 'month', 1_000_000);
    await limit('key', await keyId(), 'tokens', 'day', 50_000);
    await limit('user', user.id, 'requests', 'day', 40);
    await limit('user', user.id, 'requests', 'month', 4_000);
    await limit('user', user.id, 'tokens', 'total', 10, 'another-model');
    for (let sent = 0; sent < 3; sent += 1) await gateway.post(CHAT, user.key, says({ tokens: 3 }));
    await untilNothingOpen(beside);
  };
  /** What GET /v1/usage shows of the two tightest of them. */
  const expected = async () => {
    const { windows } = (await (await gateway.get('/v1/usage', user.key)).json()) as { windows: Window[] };
    const left = (subject: string, metric: string) =>
      windows.find((one) => one.subject === subject && one.metric === metric && one.window === 'day')
        ?.remaining;
    const [tokens, requests] = [left('key', 'tokens'), left('user', 'requests')];
    expect([requests, (tokens ?? 0) < 50_000]).toEqual([37, true]);
    const reset = expect.stringMatching(/^(\d+h)?(\d+m)?\d+s$/) as string;
    return {
      'limit-tokens': '50000',
      'remaining-tokens': String(tokens),
      'reset-tokens': reset,
      'limit-requests': '40',
      'remaining-requests': '37',
      'reset-requests': reset,
    };
  };

  it.each<[string, number, string]>([
    ['the list of models', 200, '/v1/models'],
    ['one model', 200, '/v1/models/opencode-llm'],
    ['a model that is not there', 404, '/v1/models/nope'],
    ['what was used', 200, '/v1/usage'],
    ['a refused question for what was used', 400, '/v1/usage?from=never'],
  ])('is told with %s: %i', async (_, status, path) => {
    await limited();
    const answer = await told(() => gateway.get(path, user.key));
    expect([answer.status, ratesOf(answer)]).toEqual([status, await expected()]);
  });

  it.each<[string, number, string, string, Record<string, string>]>([
    ['is no JSON', 400, CHAT, 'hello', {}],
    ['says nothing', 400, CHAT, '{}', {}],
    ['goes by way of Express', 400, `${CHAT}?a=1`, '{}', {}],
    ['has a wrong field', 400, '/v1/completions', '{"model":"opencode-llm","prompt":"a","n":"b"}', {}],
    ['names no model there is', 404, CHAT, '{"model":"nope","messages":[{"role":"user","content":"a"}]}', {}],
    ['is too large', 413, CHAT, `{"model":"${'a'.repeat(70_000)}"}`, {}],
    ['is text', 415, CHAT, 'hello', { 'content-type': 'text/plain' }],
  ])(
    'is told when a generation is refused because its body %s: %i',
    async (_, status, path, body, headers) => {
      await limited();
      const answer = await told(() => gateway.post(path, user.key, body, headers));
      expect([answer.status, ratesOf(answer)]).toEqual([status, await expected()]);
    },
  );

  it('is told to a session too, without what holds only for a key', async () => {
    await limited();
    const answer = await told(() => gateway.post('/chat/completions', user.accessToken, '{}'));
    expect([answer.status, ratesOf(answer)]).toMatchObject([
      400,
      { 'limit-tokens': '1000000', 'limit-requests': '40', 'remaining-requests': '37' },
    ]);
  });

  it('is told to each caller of his own, when many ask at once', async () => {
    const users = await Promise.all(Array.from({ length: 12 }, () => beside.register()));
    await Promise.all(users.map(({ id }, at) => limit('user', id, 'tokens', 'day', 1_000 + at)));
    const answers = await Promise.all(
      [...users, ...users].map(({ key }) => told(() => gateway.post(CHAT, key, '{}'))),
    );
    expect(answers.map((answer) => ratesOf(answer)['remaining-tokens'])).toEqual(
      [...users, ...users].map((_, at) => String(1_000 + (at % users.length))),
    );
  });

  it('is told of a limit on all users together', async () => {
    await limit('everyone', '00000000-0000-0000-0000-000000000000', 'tokens', 'total', 7);
    const answer = await told(() => gateway.get('/v1/models', user.key));
    await beside.dataSource.query(`DELETE FROM limits WHERE subject = 'everyone'`);
    expect(ratesOf(answer)).toEqual({ 'limit-tokens': '7', 'remaining-tokens': '7' });
  });

  it('comes with the warning before tokens run out', async () => {
    await limit('user', user.id, 'tokens', 'day', 100);
    await beside.dataSource.query(
      `UPDATE limit_windows SET used = 85, window_start = limit_window_start('day', now(), 'UTC')
       WHERE subject_id = $1 AND metric = 'tokens' AND period = 'day'`,
      [user.id],
    );
    const answer = await told(() => gateway.get('/v1/models', user.key));
    expect(answer.headers.get('x-llm-limit-warning')).toBe('tokens; used=0.85');
  });

  it('is told when admission itself finds that the key may not use the model any more', async () => {
    await limited();
    await beside.dataSource.query(`UPDATE api_keys SET models = '{other}' WHERE user_id = $1`, [user.id]);
    const answer = await told(() => gateway.post(CHAT, user.key, says({ tokens: 3 })));
    expect([answer.status, ratesOf(answer)]).toEqual([404, await expected()]);
  });

  it('is not told where no limit holds, and not to those who are nobody', async () => {
    await beside.dataSource.query('DELETE FROM limits WHERE subject_id = $1', [user.id]);
    expect(ratesOf(await gateway.get('/v1/models', user.key))).toEqual({});
    await limited();
    for (const key of ['', 'llmk_wrong', user.accessToken]) {
      const [models, chat] = [await gateway.get('/v1/models', key), await gateway.post(CHAT, key, '{}')];
      expect([models.status, ratesOf(models), chat.status, ratesOf(chat)]).toEqual([401, {}, 401, {}]);
    }
  });

  it.each<[string, () => void]>([
    ['is away', () => gate.shut()],
    ['does not answer', () => gate.swallowAnswers()],
  ])('is left out while PostgreSQL %s, and the answer comes all the same', async (_, takeAway) => {
    await limited();
    takeAway();
    const askedAt = Date.now();
    const [models, chat] = [
      await gateway.get('/v1/models', user.key),
      await gateway.post(CHAT, user.key, '{}'),
    ];
    expect([models.status, ratesOf(models), chat.status, ratesOf(chat)]).toEqual([200, {}, 400, {}]);
    const answeredAt = Date.now();
    const took = answeredAt - askedAt - (await lost.between(askedAt, answeredAt));
    // Each waits half a second for it; to wait until a statement is given up would take three.
    expect(took).toBeLessThan(2_500);
  });
});
