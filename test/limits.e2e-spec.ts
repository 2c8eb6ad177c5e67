import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from './support/ledger';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

/** What makes opencode try again, whatever the status. */
const RETRIED_BY_TEXT =
  /429|500|502|503|504|524|rate limit|too many requests|server error|internal error|overloaded|service unavailable|try again|timeout|token limit exceeded|too many tokens|context length/i;

describe('token limits at admission', () => {
  let gateway: TestGateway;
  let replicas: TestGateway[];
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: 'served', maxModelLen: 32_768 }] } });
    replicas = [
      gateway,
      await startGateway({ replicaOf: gateway }),
      await startGateway({ replicaOf: gateway }),
    ];
    // The first chat of a process makes it ask vLLM about the chat template.
    user = await gateway.register();
    for (const via of replicas) await chat({ messages: said({ tokens: 1 }) }, via);
  });
  afterAll(async () => {
    for (const replica of replicas.toReversed()) await replica.close();
  });
  beforeEach(async () => {
    user = await gateway.register();
    gateway.simulator.journal.clear();
  });

  const limit = (amount: number, userId = user.id) =>
    gateway.dataSource.query(`UPDATE limits SET amount = $2 WHERE subject_id = $1 AND set_by = 'default'`, [
      userId,
      amount,
    ]);
  const chat = (body: object, via = gateway, key = user.key) =>
    via.post('/v1/chat/completions', key, { model: 'opencode-llm', ...body });
  const used = async () => {
    const [row] = await gateway.dataSource.query<{ used: string; reserved: string }[]>(
      `SELECT used, reserved FROM limit_windows WHERE subject_id = $1 AND period = 'month'`,
      [user.id],
    );
    return { used: Number(row?.used), reserved: Number(row?.reserved) };
  };

  it('answers a spent quota with 402, in words no client retries, and asks vLLM nothing', async () => {
    await chat({ messages: said({ tokens: 5 }) });
    await untilNothingOpen(gateway);
    gateway.simulator.journal.clear();
    await limit(1);
    const answer = await chat({ messages: said({ tokens: 5 }) });
    const { error } = (await answer.json()) as { error: { type: string; code: string; message: string } };
    expect(answer.status).toBe(402);
    expect(error).toMatchObject({ type: 'insufficient_quota', code: 'insufficient_quota' });
    expect(error.message).toMatch(/this month.*next month/);
    expect(error.message).not.toMatch(RETRIED_BY_TEXT);
    expect(error.message).not.toMatch(/\d/);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    const asked = gateway.simulator.journal.entries.map((entry) => entry.path);
    expect(asked.filter((path) => path !== '/v1/models')).toEqual([]);
  });

  it('lowers max_tokens to what is left instead of refusing, and says so', async () => {
    await limit(300);
    const answer = await chat({ messages: said({ tokens: 5_000 }), max_tokens: 32_000 });
    expect(answer.status).toBe(200);
    const clamped = Number(answer.headers.get('x-llm-clamped-max-tokens'));
    await untilNothingOpen(gateway);
    const entry = gateway.simulator.journal.entries.find((one) => one.path === '/v1/chat/completions');
    expect(entry?.body).toMatchObject({ max_tokens: clamped });
    expect(await used()).toEqual({ used: 300, reserved: 0 });
    expect((await chat({ messages: said({ tokens: 5 }) })).status).toBe(402);
  });

  it('does not overshoot by tools of which vLLM makes more tokens than they have bytes', async () => {
    const numbers = `[${Array(2_500).fill('1e20').join(',')}]`;
    const body = `{"model":"opencode-llm","max_tokens":16,"messages":${JSON.stringify(said({ tokens: 16 }))},
      "tool_choice":"none","tools":[{"type":"function","function":{"name":"f","parameters":{"enum":${numbers}}}}]}`;
    const tokens = 20_000;
    expect(Buffer.byteLength(body)).toBeLessThan(tokens - 6_000);
    const ask = async (via: TestGateway) => {
      const headers = { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' };
      const answer = await fetch(`${via.url}/v1/chat/completions`, { method: 'POST', headers, body });
      return answer.status;
    };
    // Room for its bytes, but not for its tokens; then for the tokens of one.
    await limit(tokens - 2_000);
    expect(await ask(gateway)).toBe(402);
    await limit(tokens + 1_000);
    const statuses = await Promise.all(replicas.flatMap((via) => [ask(via), ask(via), ask(via)]));
    await untilNothingOpen(gateway);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    const { used: total } = await used();
    expect([total > tokens, total <= tokens + 1_000]).toEqual([true, true]);
  });

  it('refuses only when less than 16 tokens, or less than the wish, would be left', async () => {
    const messages = said({ tokens: 3 });
    await chat({ messages, max_tokens: 3 });
    await untilNothingOpen(gateway);
    const { used: once } = await used();
    await limit(2 * once);
    expect((await chat({ messages, max_tokens: 3 })).status).toBe(200);
    await untilNothingOpen(gateway);
    await limit(3 * once);
    expect((await chat({ messages, max_tokens: 3 })).status).toBe(200);
    expect((await chat({ messages, max_tokens: 3 })).status).toBe(402);
  });

  it('holds the smallest limit that applies: one on the key, too', async () => {
    const made = await gateway.post('/users/me/api-keys', user.accessToken, { name: 'small' });
    const { id, key } = (await made.json()) as { id: string; key: string };
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('key', $1, 'tokens', 'day', 1, 'admin')`,
      [id],
    );
    const refused = await chat({ messages: said({ tokens: 3 }) }, gateway, key);
    expect(refused.status).toBe(402);
    expect(((await refused.json()) as { error: { message: string } }).error.message).toMatch(
      /this API key.*in a day/,
    );
    expect((await chat({ messages: said({ tokens: 3 }) })).status).toBe(200);
  });

  it('does not overshoot when 200 requests race for the last tokens over 3 replicas, keys and a session', async () => {
    const total = 10_000;
    await limit(total);
    const keys = [user.key];
    for (const name of ['two', 'three']) {
      const made = await gateway.post('/users/me/api-keys', user.accessToken, { name });
      keys.push(((await made.json()) as { key: string }).key);
    }
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const via = replicas[index % 3] as TestGateway;
        const body = {
          model: 'opencode-llm',
          messages: said({ tokens: 100, tbtMs: 1 }),
          max_tokens: 100,
          stream: index % 2 === 0,
        };
        const answer =
          index % 4 === 3
            ? await via.post('/chat/completions', user.accessToken, body)
            : await via.post('/v1/chat/completions', keys[index % 4] as string, body);
        await answer.text();
        return answer.status;
      }),
    );
    const rows = await settledRows(gateway, user.id);
    const spent = rows.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
    expect(spent).toBeLessThanOrEqual(total);
    // Who waits for room gives up after 2 s, which on a busy machine leaves some of it.
    expect(spent).toBeGreaterThan(total / 4);
    expect(await used()).toEqual({ used: spent, reserved: 0 });
    // Whom a machine that stood still made wait for PostgreSQL too long gets a 503, and costs nothing.
    expect(statuses.filter((status) => ![200, 402, 429, 503].includes(status))).toEqual([]);
    const served = rows.filter(({ status }) => status === 200);
    expect(statuses.filter((status) => status === 200)).toHaveLength(served.length);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('refuses a disabled user and a revoked key at admission, whatever a cache still says', async () => {
    expect((await chat({ messages: said({ tokens: 2 }) })).status).toBe(200);
    await gateway.dataSource.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [user.id]);
    expect((await chat({ messages: said({ tokens: 2 }) })).status).toBe(401);
    await gateway.dataSource.query(`UPDATE users SET status = 'active' WHERE id = $1`, [user.id]);
    await gateway.dataSource.query(`UPDATE api_keys SET revoked_at = now() WHERE user_id = $1`, [user.id]);
    expect((await chat({ messages: said({ tokens: 2 }) })).status).toBe(401);
  });
});
