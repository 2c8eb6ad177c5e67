import { setTimeout as delay } from 'node:timers/promises';
import { auditOf, asAdmin } from '../support/administration';
import { asOwner, Key, makeKey, lastTakenAfter, statusOf } from '../support/api-keys';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';
import { Answer, send } from '../support/send';
import { call } from '../support/stream-client';

const NOWHERE = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const DAY_MS = 86_400_000;
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe('POST /users/me/api-keys/{id}/rotate', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let ada: TestUser;
  const rotate = (id: string, json?: unknown, user = ada): Promise<Answer> =>
    asOwner(gateway, user)(`/${id}/rotate`, { method: 'POST', json });
  const rotated = async (id: string, json?: unknown): Promise<Key> => {
    const answer = await rotate(id, json);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.body as Key;
  };
  const statuses = (keys: string[], at = gateway) => Promise.all(keys.map((key) => statusOf(at, key)));
  const chat = (key: string) =>
    gateway.post('/v1/chat/completions', key, { model: 'opencode-llm', messages: said({ tokens: 5 }) });

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
  });
  beforeEach(async () => {
    ada = await gateway.register();
  });
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  it('shows a new secret of the same key once, with no-store', async () => {
    const { key: old, ...made } = await makeKey(gateway, ada, { models: ['opencode-llm'] });
    const answer = await rotate(made.id, { overlap_seconds: 60 });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const { key, ...rest } = answer.body as Key;
    expect(key).toMatch(/^llmk_[0-9A-Za-z]{49}$/);
    expect(key).not.toBe(old);
    expect(rest).toEqual({
      ...made,
      prefix: key.slice(0, 8),
      last_four: key.slice(-4),
      previous_secret: { last_four: old.slice(-4), valid_until: expect.any(String) },
    });
    const listed = await asOwner(gateway, ada)('');
    expect(listed.text).not.toContain(key.slice(8, -4));
    expect(listed.body).toEqual([rest, expect.objectContaining({ name: 'first key' })]);
  });

  it('lets the old secret work for a day when nothing is said', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const { key, previous_secret: previous } = await rotated(id);
    const left = Date.parse((previous as { valid_until: string }).valid_until) - Date.now();
    expect(left).toBeGreaterThan(DAY_MS - 60_000);
    expect(left).toBeLessThanOrEqual(DAY_MS);
    for (const at of [gateway, replica]) expect(await statuses([old, key], at)).toEqual([200, 200]);
  });

  it('ends the old secret with the overlap, cached or not, and keeps the new one', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const { key, previous_secret: previous } = await rotated(id, { overlap_seconds: 6 });
    const end = Date.parse((previous as { valid_until: string }).valid_until);
    let taken = 0;
    while (Date.now() < end) {
      for (const at of [gateway, replica]) {
        const status = await statusOf(at, old);
        // What is answered later says nothing of the time before.
        if (Date.now() >= end) continue;
        expect(status).toBe(200);
        taken += 1;
      }
      await delay(200);
    }
    expect(taken).toBeGreaterThan(2);
    await delay(200);
    for (const at of [gateway, replica]) expect(await statuses([old, key], at)).toEqual([401, 200]);
    const shown = await asOwner(gateway, ada)(`/${id}`);
    expect(shown.body.previous_secret).toBeNull();
  });

  it('ends the old secret at once with an overlap of 0, and within 5 seconds on other replicas', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    for (const at of [gateway, replica]) expect(await statusOf(at, old)).toBe(200);
    const { key, previous_secret: previous } = await rotated(id, { overlap_seconds: 0 });
    expect(previous).toBeNull();
    expect(await statuses([old, key])).toEqual([401, 200]);
    expect(await lastTakenAfter(replica, old)).toBeLessThan(5_000);
    expect(await statusOf(replica, key)).toBe(200);
  });

  it('leaves two secrets at most: a second rotation ends the oldest at once', async () => {
    const { id, key: first } = await makeKey(gateway, ada);
    const { key: second } = await rotated(id);
    expect(await statuses([first, second])).toEqual([200, 200]);
    const { key: third } = await rotated(id);
    expect(await statuses([first, second, third])).toEqual([401, 200, 200]);
  });

  it('leaves two secrets in a race, whatever comes first', async () => {
    const { id, key } = await makeKey(gateway, ada);
    await statusOf(gateway, key);
    const made = await Promise.all(Array.from({ length: 6 }, () => rotated(id)));
    const live = await statuses(made.map((each) => each.key));
    expect(live.filter((status) => status === 200)).toHaveLength(2);
    expect(await statusOf(gateway, key)).toBe(401);
    const shown = (await asOwner(gateway, ada)(`/${id}`)).body as Key;
    const current = made.find((each) => each.last_four === shown.last_four);
    expect(await statusOf(gateway, String(current?.key))).toBe(200);
  });

  it('ends the overlap early when asked to', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const { key } = await rotated(id);
    expect(await statuses([old, key])).toEqual([200, 200]);
    const end = () => asOwner(gateway, ada)(`/${id}/previous-secret`, { method: 'DELETE' });
    expect((await end()).status).toBe(204);
    expect(await statuses([old, key])).toEqual([401, 200]);
    expect((await end()).status).toBe(204);
  });

  it('carries usage, counters, limits and models over, and both secrets count as one key', async () => {
    const { id, key: old } = await makeKey(gateway, ada, {
      models: ['opencode-llm'],
      limits: [{ metric: 'requests', window: 'day', amount: 3 }],
    });
    expect((await chat(old)).status).toBe(200);
    const { key } = await rotated(id);
    expect([(await chat(old)).status, (await chat(key)).status]).toEqual([200, 200]);
    expect([(await chat(old)).status, (await chat(key)).status]).toEqual([402, 402]);
    const rows = await settledRows(gateway, ada.id);
    expect(rows.map((row) => row.key_id)).toEqual([id, id, id]);
    const usage = await send(`${gateway.url}/v1/usage`, { bearer: key });
    expect(usage.body).toMatchObject({ key_id: id, totals: { requests: 3 } });
  });

  it('lets a stream of the old secret run on, which is billed to the key', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const streamed = call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: old,
      body: { model: 'opencode-llm', stream: true, messages: said({ tokens: 20, tbtMs: 50 }) },
    });
    const { entries } = gateway.simulator.journal;
    while (!entries.some(({ stream, outcome }) => stream && outcome === 'running')) await delay(10);
    await rotated(id, { overlap_seconds: 0 });
    expect(await statusOf(gateway, old)).toBe(401);
    expect((await streamed).text).toContain('[DONE]');
    const rows = await settledRows(gateway, ada.id);
    expect(rows).toEqual([
      expect.objectContaining({ key_id: id, outcome: 'completed', completion_tokens: 20 }),
    ]);
  });

  it('is refused for an expired key, whose expiry holds for both secrets', async () => {
    const expires_at = new Date(Date.now() + 10_000).toISOString();
    const { id, key: old } = await makeKey(gateway, ada, { expires_at });
    const { key, previous_secret: previous } = await rotated(id);
    expect(previous).toMatchObject({ valid_until: expires_at });
    expect(await statuses([old, key])).toEqual([200, 200]);
    await delay(Date.parse(expires_at) - Date.now() + 100);
    for (const at of [gateway, replica]) expect(await statuses([old, key], at)).toEqual([401, 401]);
    const refused = await rotate(id);
    expect([refused.status, refused.body.code]).toEqual([409, 'api_key_expired']);
    await asOwner(gateway, ada)(`/${id}`, { method: 'PATCH', json: { expires_at: null } });
    expect(await statuses([old, key])).toEqual([200, 200]);
    expect((await rotate(id)).status).toBe(200);
  });

  it('is undone by revoking: both secrets die at once, and 404 follows', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const { key } = await rotated(id);
    for (const at of [gateway, replica]) expect(await statuses([old, key], at)).toEqual([200, 200]);
    await asOwner(gateway, ada)(`/${id}`, { method: 'DELETE' });
    expect(await statuses([old, key])).toEqual([401, 401]);
    for (const each of [old, key]) expect(await lastTakenAfter(replica, each)).toBeLessThan(5_000);
    expect((await rotate(id)).status).toBe(404);
  });

  it('leaves no secret behind when the account is deleted, or an administrator revokes the keys', async () => {
    const admin = await gateway.registerAdmin();
    for (const path of ['', '/api-keys']) {
      const user = await gateway.register();
      const { id, key: old } = await makeKey(gateway, user);
      const { key } = (await rotate(id, {}, user)).body as Key;
      expect(await statuses([old, key])).toEqual([200, 200]);
      const ended = await asAdmin(gateway, admin)(`/users/${user.id}${path}`, { method: 'DELETE' });
      expect(ended.status).toBe(204);
      expect(await statuses([old, key])).toEqual([401, 401]);
    }
  });

  it.each([-1, 1.5, '60', 1e21, 2_592_001, true, null, {}])(
    'refuses an overlap of %j seconds',
    async (overlap_seconds) => {
      const { id, key } = await makeKey(gateway, ada);
      const answer = await rotate(id, { overlap_seconds });
      expect([answer.status, answer.body.param]).toEqual([400, 'overlap_seconds']);
      expect(await statusOf(gateway, key)).toBe(200);
      expect((await asOwner(gateway, ada)(`/${id}`)).body.last_four).toBe(key.slice(-4));
    },
  );

  it('takes an overlap of 30 days, and nothing besides it', async () => {
    const { id } = await makeKey(gateway, ada);
    expect((await rotate(id, { overlap_seconds: 2_592_000 })).status).toBe(200);
    const answer = await rotate(id, { key: 'llmk_mine' });
    expect([answer.status, answer.body.param]).toEqual([400, 'key']);
  });

  it('does not reach keys of others, and is closed to API keys', async () => {
    const bob = await gateway.register();
    const { id, key } = await makeKey(gateway, bob);
    for (const [method, path] of [
      ['POST', 'rotate'],
      ['DELETE', 'previous-secret'],
    ]) {
      const ask = (keyId: string, bearer: string) =>
        asOwner(gateway, ada)(`/${keyId}/${path}`, { method, bearer });
      const missing = await ask(NOWHERE, ada.accessToken);
      const foreign = await ask(id, ada.accessToken);
      expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
      expect((await ask(id, key)).body.code).toBe('session_required');
    }
    expect(await statusOf(gateway, key)).toBe(200);
  });

  it('stores neither secret, and tells the audit log only how they end', async () => {
    const { id, key: old } = await makeKey(gateway, ada);
    const answer = await rotate(id, { overlap_seconds: 60 });
    const { key } = answer.body as Key;
    const [row] = await gateway.dataSource.query<[{ whole: string }]>(
      `SELECT (SELECT json_agg(k)::text FROM api_keys k) || (SELECT json_agg(a)::text FROM audit_log a) AS whole`,
    );
    for (const secret of [old, key]) {
      expect(row.whole).not.toContain(secret.slice(8, -4));
      expect(row.whole).not.toContain(Buffer.from(secret).toString('hex'));
    }
    expect((await auditOf(gateway, id)).at(-1)).toMatchObject({
      action: 'key.rotated',
      actor_id: ada.id,
      request_id: answer.headers.get('x-request-id'),
      before: { last_four: old.slice(-4) },
      after: { last_four: key.slice(-4), previous_valid_until: expect.any(String) },
    });
  });
});
