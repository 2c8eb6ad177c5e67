import { setTimeout as delay } from 'node:timers/promises';
import { auditOf } from './support/administration';
import { asOwner, Key, makeKey, statusOf } from './support/api-keys';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send, Sent } from './support/send';

const NOWHERE = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('GET and PATCH /users/me/api-keys/{id}', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let ada: TestUser;
  let keys: (path: string, sent?: Sent) => Promise<Answer>;
  const change = (id: string, json: unknown) => keys(`/${id}`, { method: 'PATCH', json });
  const modelsOf = async (key: string, at = gateway) => {
    const { body } = await send(`${at.url}/v1/models`, { bearer: key });
    return (body.data as { id: string }[] | undefined)?.map(({ id }) => id).sort();
  };

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: {
        models: [
          { id: 'one', maxModelLen: 32_768 },
          { id: 'two', maxModelLen: 32_768 },
        ],
      },
      settings: { MODEL_ALIASES: 'first=one,second=two' },
    });
    replica = await startGateway({ replicaOf: gateway, settings: { MODEL_ALIASES: 'first=one,second=two' } });
  });
  beforeEach(async () => {
    ada = await gateway.register();
    keys = asOwner(gateway, ada);
  });
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  it('show one key as the list does, without itself', async () => {
    const { key, ...made } = await makeKey(gateway, ada);
    const shown = await keys(`/${made.id}`);
    expect([shown.status, shown.body]).toEqual([200, made]);
    expect(shown.text).not.toContain(key.slice(8, -4));
  });

  it('answer to an id in capitals as to the id', async () => {
    const { key, id, ...made } = await makeKey(gateway, ada);
    const limit = { metric: 'tokens', window: 'day', amount: 5 };
    const set = await keys(`/${id.toUpperCase()}/limits`, { method: 'PUT', json: limit });
    expect([set.status, set.body]).toEqual([200, expect.objectContaining(limit)]);
    const usage = await keys(`/${id.toUpperCase()}/usage`);
    expect([usage.status, usage.body.key_id]).toEqual([200, id]);
    const rotated = await keys(`/${id.toUpperCase()}/rotate`, { json: {} });
    expect([rotated.body.id, rotated.body.name]).toEqual([id, made.name]);
    expect(rotated.text).not.toContain(key);
  });

  it('change name, expiry and models; what is left out stays', async () => {
    const { key, ...made } = await makeKey(gateway, ada, { models: ['first'] });
    const expires_at = inAnHour();
    expect((await change(made.id, { name: 'desk' })).body).toEqual({ ...made, name: 'desk' });
    expect((await change(made.id, { expires_at })).body).toEqual({ ...made, name: 'desk', expires_at });
    const cleared = await change(made.id, { expires_at: null, models: null });
    expect([cleared.status, cleared.body]).toEqual([200, { ...made, name: 'desk', models: null }]);
    expect((await keys(`/${made.id}`)).body).toEqual(cleared.body);
    expect(await statusOf(gateway, key)).toBe(200);
  });

  it('hold at once where they were made, and within 5 seconds on every replica', async () => {
    const { id, key } = await makeKey(gateway, ada);
    for (const at of [gateway, replica]) expect(await modelsOf(key, at)).toContain('second');
    await change(id, { models: ['first'] });
    expect(await modelsOf(key)).toEqual(['first']);
    const deadline = performance.now() + 5_000;
    while ((await modelsOf(key, replica))?.length !== 1 && performance.now() < deadline) await delay(50);
    expect(await modelsOf(key, replica)).toEqual(['first']);
    const refused = await gateway.post('/v1/chat/completions', key, {
      model: 'second',
      messages: [{ role: 'user', content: 'hello' }],
    });
    expect(refused.status).toBe(404);
  });

  it('bring an expired key back to life', async () => {
    const { id, key } = await makeKey(gateway, ada, {
      expires_at: new Date(Date.now() + 1_000).toISOString(),
    });
    await delay(1_100);
    expect(await statusOf(gateway, key)).toBe(401);
    expect((await change(id, { expires_at: null })).status).toBe(200);
    expect(await statusOf(gateway, key)).toBe(200);
  });

  it('bring none back beside 50 others', async () => {
    const { id, key } = await makeKey(gateway, ada);
    await gateway.dataSource.query(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, [id]);
    for (let i = 0; i < 49; i += 1) await makeKey(gateway, ada);
    const refused = await change(id, { expires_at: inAnHour() });
    expect([refused.status, refused.body.code]).toEqual([409, 'too_many_api_keys']);
    expect((await change(id, { name: 'old' })).status).toBe(200);
    expect(await statusOf(gateway, key)).toBe(401);
    const listed = (await keys('')).body as unknown as Key[];
    const live = listed.find((each) => each.id !== id);
    expect((await change(String(live?.id), { expires_at: inAnHour() })).status).toBe(200);
  });

  it.each([
    { name: '' },
    { name: null },
    { name: 'x'.repeat(101) },
    { name: 'a\u0000b' },
    { expires_at: '2020-01-01T00:00:00Z' },
    { expires_at: '9999-99' },
    { expires_at: 4_102_444_800 },
    { models: [] },
    { models: 'first' },
    { models: ['a', 'a'] },
    { limits: [] },
    { user_id: NOWHERE },
    { key: 'llmk_mine' },
    { revoked_at: null },
  ])('refuse %j, naming the field, and change nothing', async (wrong) => {
    const { key: _, ...made } = await makeKey(gateway, ada);
    const answer = await change(made.id, { ...wrong });
    expect([answer.status, answer.body.param]).toEqual([400, Object.keys(wrong)[0]]);
    expect((await keys(`/${made.id}`)).body).toEqual(made);
  });

  it('are in the audit log with what was before, but for names', async () => {
    const { id } = await makeKey(gateway, ada, { name: 'harbour lamp', models: ['first'] });
    const expires_at = inAnHour();
    const changed = await change(id, { name: 'seventh lamp', expires_at });
    await change(id, { models: null });
    await change(id, { models: null, name: 'seventh lamp' });
    await keys(`/${id}`, { method: 'DELETE' });
    const rows = await auditOf(gateway, id);
    expect(rows.map(({ action, before, after }) => [action, before, after])).toEqual([
      ['key.created', null, { models: ['first'], expires_at: null, limits: [] }],
      [
        'key.changed',
        { expires_at: null, models: ['first'] },
        { expires_at, models: ['first'], also_changed: ['name'] },
      ],
      ['key.changed', { expires_at, models: ['first'] }, { expires_at, models: null }],
      ['key.revoked', null, null],
    ]);
    expect(rows[1]).toMatchObject({
      actor_id: ada.id,
      request_id: changed.headers.get('x-request-id'),
    });
    expect(JSON.stringify(rows)).not.toMatch(/lamp/);
  });

  it('do not reach keys of others, nor revoked ones: they look as if they were not there', async () => {
    const bob = await gateway.register();
    const { key: _, ...bobs } = await makeKey(gateway, bob);
    const revoked = await makeKey(gateway, ada);
    await keys(`/${revoked.id}`, { method: 'DELETE' });
    for (const sent of [{}, { method: 'PATCH', json: { name: 'mine' } }, { method: 'PATCH', json: {} }]) {
      const missing = await keys(`/${NOWHERE}`, sent);
      expect(missing.status).toBe(404);
      for (const { id } of [bobs, revoked]) {
        const answer = await keys(`/${id}`, sent);
        expect([answer.status, answer.text]).toEqual([404, missing.text]);
      }
    }
    expect((await asOwner(gateway, bob)(`/${bobs.id}`)).body).toEqual(bobs);
    expect((await keys('/not-an-id')).status).toBe(400);
  });

  it('are closed to API keys: one cannot widen itself', async () => {
    const { id, key } = await makeKey(gateway, ada, { models: ['first'] });
    for (const sent of [{}, { method: 'PATCH', json: { models: null } }]) {
      const answer = await keys(`/${id}`, { ...sent, bearer: key });
      expect([answer.status, answer.body.code]).toEqual([403, 'session_required']);
    }
    expect(await modelsOf(key)).toEqual(['first']);
  });
});
