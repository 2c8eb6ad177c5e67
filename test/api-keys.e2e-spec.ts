import { setTimeout as delay } from 'node:timers/promises';
import { mintApiKey } from '../src/auth/api-keys/api-key-token';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, Sent, send } from './support/send';
import { undisturbed } from './support/undisturbed';

interface Key {
  id: string;
  key: string;
  [field: string]: unknown;
}

describe('API keys', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let ada: TestUser;
  const keys = (sent: Sent = {}, user = ada) =>
    send(`${gateway.url}/users/me/api-keys`, { bearer: user.accessToken, ...sent });
  const create = async (fields: object = {}, user = ada) =>
    (await keys({ json: { name: 'laptop', ...fields } }, user)).body as Key;
  /** One of many at once: who waits for a connection too long on a busy machine is told to come again, and does. */
  const createAmongMany = async (name: string): Promise<Answer> => {
    let answer = await keys({ json: { name } });
    for (let again = 0; again < 20 && answer.status === 503; again += 1)
      answer = await keys({ json: { name } });
    return answer;
  };
  const revoke = (id: string, user = ada) =>
    send(`${gateway.url}/users/me/api-keys/${id}`, { method: 'DELETE', bearer: user.accessToken });
  const models = (sent: Sent, at = gateway) => send(`${at.url}/v1/models`, sent);

  beforeAll(async () => {
    gateway = await startGateway();
    replica = await startGateway({ replicaOf: gateway });
  });
  const renew = async () => {
    ada = await gateway.register();
  };
  beforeEach(renew);
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  it('are shown in full once, with no-store, and by their ends afterwards', async () => {
    const created = await keys({ json: { name: 'laptop', models: ['opencode-llm'] } });
    expect(created.status).toBe(201);
    expect(created.headers.get('cache-control')).toBe('no-store');
    const { key, ...rest } = created.body as Key;
    expect(key).toMatch(/^llmk_[0-9A-Za-z]{49}$/);
    expect(rest).toEqual({
      id: expect.any(String),
      name: 'laptop',
      prefix: key.slice(0, 8),
      last_four: key.slice(-4),
      models: ['opencode-llm'],
      expires_at: null,
      created_at: expect.any(String),
      last_used_at: null,
      previous_secret: null,
      limits: [],
    });
    const listed = await keys();
    expect(JSON.parse(listed.text)).toEqual([rest, expect.objectContaining({ name: 'first key' })]);
    expect(listed.text).not.toContain(key.slice(8, -4));
  });

  it('work as Bearer (in any case) and as x-api-key', async () => {
    const { key } = await create();
    const ways: Record<string, string>[] = [
      { authorization: `Bearer ${key}` },
      { authorization: `BEARER ${key}` },
      { 'x-api-key': key },
    ];
    for (const headers of ways) expect((await models({ headers })).status).toBe(200);
  });

  it('may come in both headers when they are the same, else 400', async () => {
    const { key } = await create();
    expect((await models({ bearer: key, headers: { 'x-api-key': key } })).status).toBe(200);
    const two = await models({ bearer: key, headers: { 'x-api-key': ada.key } });
    expect([two.status, two.body]).toEqual([
      400,
      { error: expect.objectContaining({ code: 'ambiguous_credentials' }) },
    ]);
  });

  it('are gone when they are revoked', async () => {
    const { id, key } = await create();
    expect((await models({ bearer: key })).status).toBe(200);
    expect((await revoke(id)).status).toBe(204);
    expect((await models({ bearer: key })).status).toBe(401);
    expect((await revoke(id)).status).toBe(404);
    expect((await keys()).text).not.toContain(id);
  });

  it('end when they expire, cached or not', async () => {
    // A key is believed for four seconds after it was looked up: it ends within them.
    const expires_at = new Date(Date.now() + 3_500).toISOString();
    const { key, ...created } = await create({ expires_at });
    expect(created.expires_at).toBe(expires_at);
    expect((await models({ bearer: key })).status).toBe(200);
    await delay(3_600);
    expect((await models({ bearer: key })).status).toBe(401);
    expect((await models({ bearer: key }, replica)).status).toBe(401);
  });

  it.each([
    '2020-01-01T00:00:00Z',
    '9999-99',
    '+010000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-23:59',
    '2027-01-01T24:00:00Z',
    '2027-01-01T00:00:00 05:00',
    '2027-02-30T00:00:00Z',
    '2027-01-01',
    'tomorrow',
    '',
    4_102_444_800,
    {},
  ])('cannot expire at %j', async (expires_at) => {
    const answer = await keys({ json: { name: 'laptop', expires_at } });
    expect([answer.status, answer.body.param, answer.body.detail]).toEqual([
      400,
      'expires_at',
      expect.stringMatching(
        /^expires_at must be a time in the future, up to the year 9999, with its offset, /,
      ),
    ]);
  });

  it('may expire at the end of the last year that can be written', async () => {
    const { expires_at } = await create({ expires_at: '9999-12-31T23:59:59Z' });
    expect(expires_at).toBe('9999-12-31T23:59:59.000Z');
  });

  it.each([
    { name: 'x'.repeat(10_240) },
    { name: '' },
    { name: 'a\r\nb' },
    { name: 'a\u0000b' },
    { name: 1 },
    { name: undefined },
    { models: [] },
    { models: 'opencode-llm' },
    { models: [1] },
    { models: ['a', 'a'] },
    { models: ['a\u0000'] },
    { user_id: 'x' },
    { role: 'admin' },
    { key: 'llmk_mine' },
  ])('are refused with %j, naming the field', async (wrong) => {
    const answer = await keys({ json: { name: 'laptop', ...wrong } });
    expect([answer.status, answer.body.param]).toEqual([400, Object.keys(wrong)[0]]);
  });

  it('keep a name with markup as inert text', async () => {
    const name = `<script>alert(1)</script>'";--`;
    expect((await create({ name })).name).toBe(name);
  });

  it('are at most 50 for a user, also in a race', async () => {
    const answers: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const batch = Array.from({ length: 10 }, () => createAmongMany('one of many'));
      answers.push(...(await Promise.all(batch)).map((answer) => answer.status));
    }
    expect(answers.filter((status) => status === 201)).toHaveLength(49);
    expect(answers.filter((status) => status === 409)).toHaveLength(11);
  });

  it('are 50 when 51 are asked for at once', async () => {
    await revoke((JSON.parse((await keys()).text) as Key[])[0]?.id ?? '');
    const answers = await Promise.all(Array.from({ length: 51 }, () => createAmongMany('one of 51')));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array.from({ length: 50 }, () => 201), 409]);
    expect(JSON.parse((await keys()).text)).toHaveLength(50);
  });

  it('are at most 200 with the expired ones, also in a race, and deleting those makes room', async () => {
    await gateway.dataSource.query(
      `INSERT INTO api_keys (id, user_id, name, key_hash, prefix, last_four, expires_at)
       SELECT gen_random_uuid(), $1::uuid, 'over', decode(md5($1::text || n), 'hex'), 'llmk_', 'abcd', now() - interval '1 day'
       FROM generate_series(1, 194) n`,
      [ada.id],
    );
    const answers = await Promise.all(Array.from({ length: 8 }, () => createAmongMany('one more')));
    const refused = answers.filter(({ status }) => status === 409);
    expect([answers.filter(({ status }) => status === 201).length, refused.length]).toEqual([5, 3]);
    expect(refused[0]?.body).toMatchObject({
      code: 'too_many_api_keys',
      detail: expect.stringContaining('delete expired ones'),
    });
    const [expired] = (JSON.parse((await keys()).text) as Key[]).filter(({ name }) => name === 'over');
    expect((await revoke(expired?.id ?? '')).status).toBe(204);
    expect((await keys({ json: { name: 'one more' } })).status).toBe(201);
  });

  it('of others do not exist', async () => {
    const bob = await gateway.register();
    const { id, key } = await create();
    const foreign = await revoke(id, bob);
    const missing = await revoke('0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b', bob);
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
    expect((await revoke('not-an-id', bob)).status).toBe(400);
    expect((await keys({}, bob)).text).not.toContain(id);
    expect((await models({ bearer: key })).status).toBe(200);
  });

  it('cannot manage: 403 when valid, 401 when not', async () => {
    for (const path of ['/users/me', '/users/me/api-keys', '/auth/sessions']) {
      const valid = await send(gateway.url + path, { bearer: ada.key });
      expect([valid.status, valid.body.code]).toEqual([403, 'session_required']);
      expect((await send(gateway.url + path, { headers: { 'x-api-key': ada.key } })).status).toBe(403);
      expect((await send(gateway.url + path, { bearer: mintApiKey() })).status).toBe(401);
    }
    const minted = await keys({ json: { name: 'more' }, bearer: ada.key });
    expect(minted.status).toBe(403);
  });

  it('sent to /chat/completions are told the base URL that ends in /v1, and not that they cannot manage', async () => {
    const chat = (bearer: string) =>
      send(`${gateway.url}/chat/completions`, { bearer, json: { model: 'opencode-llm', messages: [] } });
    const { status, body } = await chat(ada.key);
    expect([status, body.error]).toEqual([
      403,
      expect.objectContaining({
        code: 'session_required',
        message: expect.stringMatching(
          /^With an API key chats are at POST \/v1\/chat\/completions.* ends in \/v1/,
        ),
      }),
    ]);
    expect((await chat(mintApiKey())).status).toBe(401);
  });

  it('are read from headers only', async () => {
    const paths = [`?api_key=${ada.key}`, `?access_token=${ada.key}`, `/${ada.key}`];
    for (const path of paths) expect((await send(`${gateway.url}/v1/models${path}`)).status).toBe(401);
    expect(
      (await models({ headers: { cookie: `api_key=${ada.key}; access_token=${ada.key}` } })).status,
    ).toBe(401);
    const json = { model: 'm', messages: [], api_key: ada.key, access_token: ada.key };
    expect((await send(`${gateway.url}/v1/chat/completions`, { json })).status).toBe(401);
  });

  it('that are mistyped or made up cost the database nothing', async () => {
    await gateway.dataSource.query('ALTER TABLE api_keys RENAME TO api_keys_away');
    try {
      const [, secret = ''] = ada.key.split('_');
      const swapped = secret.replace(/^(.)(.*?)(?!\1)(.)/, '$3$2$1');
      for (const key of [`llmk_${swapped}`, `${ada.key.slice(0, -1)}_`, 'llmk_', `llmk_${'0'.repeat(49)}`])
        expect([key, (await models({ bearer: key })).status]).toEqual([key, 401]);
      // Whose checksum is right has to be looked up, and nobody passes when that cannot be done.
      expect((await models({ bearer: mintApiKey() })).status).toBe(503);
    } finally {
      await gateway.dataSource.query('ALTER TABLE api_keys_away RENAME TO api_keys');
    }
  });

  it('note when they were last used, shortly after, while others are being changed', async () =>
    undisturbed(renew, async () => {
      const [{ id, key }, other] = [await create(), await create()];
      const changing = gateway.dataSource.createQueryRunner();
      await changing.startTransaction();
      await changing.query('UPDATE api_keys SET name = name WHERE id = $1', [other.id]);
      await models({ bearer: other.key });
      const usedAt = Date.now();
      await models({ bearer: key });
      const lastUsed = async (keyId: unknown) =>
        (JSON.parse((await keys()).text) as Key[]).find((each) => each.id === keyId)?.last_used_at;
      const noted = async (keyId: unknown) => {
        let at = await lastUsed(keyId);
        for (let looks = 0; at === null && looks < 100; at = await lastUsed(keyId), looks += 1)
          await delay(50);
        return at;
      };
      const [ofKey, ofOther] = [await noted(id), await lastUsed(other.id)];
      await delay(500);
      await changing.rollbackTransaction();
      await changing.release();
      expect([ofKey, ofOther]).toEqual([expect.any(String), null]);
      // It may not be used again for a month.
      expect(Math.abs(Date.parse((await noted(other.id)) as string) - usedAt)).toBeLessThan(1_000);
    }));
});
