import { randomUUID } from 'node:crypto';
import OpenAI, { ConflictError } from 'openai';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows, untilNothingOpen } from './support/ledger';

const said = (steps: object) => [{ role: 'user' as const, content: `SIM:${JSON.stringify(steps)}` }];

describe('Idempotency-Key on generating routes', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
  });
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });
  beforeEach(async () => {
    user = await gateway.register();
  });
  afterEach(() => {
    gateway.simulator.settings.hung = false;
  });

  /** Longer than the slowest machine takes for all that are sent at once. */
  const LONG = { tokens: 3_000, stream: true };
  const ask = (key: string, { tokens = 20, via = gateway, who = user, stream = false } = {}) =>
    fetch(`${via.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${who.key}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ model: 'opencode-llm', stream, messages: said({ tokens, tbtMs: 20 }) }),
    });
  /** Of answers that are left once all have come: streams go on until then. */
  const statuses = async (answers: Promise<Response>[]) => {
    const done = await Promise.all(answers);
    await Promise.all(done.map(({ body }) => body?.cancel()));
    return done.map(({ status }) => status).sort();
  };

  it.each([
    ['on one gateway', () => [gateway, gateway]],
    ['on two replicas', () => [gateway, replica]],
  ])('lets one of two at once through, %s', async (_, both) => {
    for (let round = 0; round < 5; round += 1) {
      const key = randomUUID();
      expect(await statuses(both().map((via) => ask(key, { ...LONG, via })))).toEqual([200, 409]);
    }
    expect(await settledRows(gateway, user.id)).toHaveLength(5);
  });

  it('says so in the envelope, while the first one streams, and lets the next one through when it has ended', async () => {
    const key = randomUUID();
    const first = await ask(key, { stream: true });
    gateway.simulator.settings.hung = true;
    const second = await ask(key, { via: replica });
    expect(second.status).toBe(409);
    expect(second.headers.get('retry-after')).toBe('2');
    expect(await second.json()).toMatchObject({
      error: { type: 'conflict_error', code: 'idempotency_key_in_use', param: null },
    });
    gateway.simulator.settings.hung = false;
    await first.text();
    expect(await statuses([ask(key)])).toEqual([200]);
    expect(await settledRows(gateway, user.id)).toHaveLength(2);
  });

  it('lets the next one through when the first one was left', async () => {
    const key = randomUUID();
    const leaving = new AbortController();
    const first = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      signal: leaving.signal,
      headers: {
        authorization: `Bearer ${user.key}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({
        model: 'opencode-llm',
        stream: true,
        messages: said({ tokens: 500, tbtMs: 20 }),
      }),
    });
    expect(first.status).toBe(200);
    leaving.abort();
    await untilNothingOpen(gateway);
    expect(await statuses([ask(key)])).toEqual([200]);
  });

  it('keeps the keys of accounts apart, and different keys of one account', async () => {
    const other = await gateway.register();
    const key = randomUUID();
    expect(await statuses([ask(key), ask(key, { who: other }), ask(randomUUID())])).toEqual([200, 200, 200]);
  });

  it('is decided for each alone: others in the same batch are not held up', async () => {
    const key = randomUUID();
    const answers = Array.from({ length: 40 }, (_, index) => ask(index % 2 === 0 ? key : randomUUID(), LONG));
    const all = await statuses(answers);
    expect(all.filter((status) => status === 200)).toHaveLength(21);
    expect(all.filter((status) => status === 409)).toHaveLength(19);
  });

  it('still refuses what the limits refuse, and holds nothing for it', async () => {
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('user', $1, 'tokens', 'day', 0, 'admin')`,
      [user.id],
    );
    const key = randomUUID();
    expect(await statuses([ask(key)])).toEqual([402]);
    expect(await statuses([ask(key)])).toEqual([402]);
    await untilNothingOpen(gateway);
  });

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['with a space', 'a b'],
    ['not ASCII', 'ümlaut'],
  ])('refuses a key that is %s', async (_, key) => {
    const answer = await ask(key);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'invalid_idempotency_key' } });
  });

  it('works with the openai client', async () => {
    const client = new OpenAI({ apiKey: user.key, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const create = () =>
      client.chat.completions.create(
        { model: 'opencode-llm', messages: said({ tokens: 20, tbtMs: 20 }) },
        { idempotencyKey: 'the-same', headers: { 'Idempotency-Key': 'the-same' } },
      );
    gateway.simulator.settings.hung = true;
    const both = [create(), create()];
    // Nothing comes of the one that got through.
    await expect(Promise.race(both)).rejects.toBeInstanceOf(ConflictError);
    gateway.simulator.settings.hung = false;
    const outcomes = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(outcomes.sort()).toEqual(['fulfilled', 'rejected']);
  });
});
