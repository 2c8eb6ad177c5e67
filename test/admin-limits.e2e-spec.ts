import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows, untilNothingOpen } from './support/ledger';
import { untilLocksAreAwaited } from './support/lock-waiters';

const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe('PUT /admin/limits', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
    gateway.simulator.journal.clear();
  });

  const send = (method: string, path: string, credential: string, body?: unknown) =>
    fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const limit = async (fields: object, by = admin) => {
    const answer = await send('PUT', '/admin/limits', by.accessToken, {
      subject: 'user',
      subject_id: user.id,
      ...fields,
    });
    const view = (await answer.json()) as { id: string; amount: number; [field: string]: unknown };
    if (answer.status !== 200) throw new Error(JSON.stringify(view));
    return view;
  };
  const chat = (steps: object = { tokens: 5 }, body: object = {}, key = user.key) =>
    gateway.post('/v1/chat/completions', key, { model: 'opencode-llm', messages: said(steps), ...body });

  it('is closed to whoever is no administrator', async () => {
    const limitOfOther = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'day', amount: 5 };
    expect((await send('PUT', '/admin/limits', user.accessToken, limitOfOther)).status).toBe(403);
    expect((await send('GET', '/admin/limits', user.accessToken)).status).toBe(403);
  });

  it.each([
    [{ metric: 'tokens', window: 'day' }, /amount must be a whole number from 0 to/],
    [{ metric: 'tokens', window: 'day', amount: -1 }, /amount/],
    [{ metric: 'tokens', window: 'day', amount: 1.5 }, /amount/],
    [{ metric: 'tokens', window: 'day', amount: '5' }, /amount/],
    [{ metric: 'tokens', amount: 5 }, /window/],
    [{ metric: 'tokens', window: 'year', amount: 5 }, /window/],
    [{ metric: 'euros', window: 'day', amount: 5 }, /metric/],
    [{ metric: 'tokens', window: 'day', amount: 5, set_by: 'self' }, /set_by/],
    [{ metric: 'tokens', window: 'day', amount: 5, subject_id: 'me' }, /subject_id/],
    [{ metric: 'tokens', window: 'day', amount: 5, model: '\u0000' }, /model/],
    [
      {
        subject: 'everyone',
        subject_id: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b',
        metric: 'tokens',
        window: 'day',
        amount: 5,
      },
      /subject_id/,
    ],
  ])('refuses %j and names the field', async (fields, named) => {
    const body = { subject: 'user', subject_id: user.id, ...fields };
    const answer = await send('PUT', '/admin/limits', admin.accessToken, body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(named);
  });

  it('answers 404 for a user, a key and a limit that are not there', async () => {
    const nobody = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
    const body = { subject_id: nobody, metric: 'tokens', window: 'day', amount: 5 };
    for (const subject of ['user', 'key']) {
      expect((await send('PUT', '/admin/limits', admin.accessToken, { ...body, subject })).status).toBe(404);
    }
    expect((await send('DELETE', `/admin/limits/${nobody}`, admin.accessToken)).status).toBe(404);
  });

  it('lists the limits of a user, and forgets one without forgetting what was used', async () => {
    await chat();
    const [row] = await settledRows(gateway, user.id);
    const made = await limit({ metric: 'tokens', window: 'hour', amount: 5 });
    const list = await send('GET', `/admin/limits?subject=user&subject_id=${user.id}`, admin.accessToken);
    const { data } = (await list.json()) as { data: { id: string; set_by: string; window: string }[] };
    expect(data.map(({ window, set_by: by }) => `${window} ${by}`).sort()).toEqual([
      'hour admin',
      'month default',
    ]);
    expect((await send('DELETE', `/admin/limits/${made.id}`, admin.accessToken)).status).toBe(204);
    expect((await chat()).status).toBe(200);
    await limit({ metric: 'tokens', window: 'hour', amount: 1_000 });
    const usage = (await (await gateway.get('/users/usage', user.accessToken)).json()) as {
      windows: { window: string; used: number }[];
    };
    await untilNothingOpen(gateway);
    const hour = usage.windows.find(({ window }) => window === 'hour');
    expect(hour?.used).toBe(2 * ((row?.prompt_tokens ?? 0) + (row?.completion_tokens ?? 0)));
  });

  it.each([
    { metric: 'tokens', window: 'day', amount: 5 },
    { metric: 'concurrent_requests', amount: 2 },
    { subject: 'everyone', subject_id: undefined, metric: 'concurrent_requests', amount: 9_000 },
  ])('takes %j back as it shows it', async (fields) => {
    const { subject, subject_id, metric, window, model, amount, ...rest } = await limit(fields);
    const shown = { subject, subject_id, metric, window, model, amount };
    expect([model, window, subject_id]).toContain(null);
    expect(await limit({ ...shown, amount: amount + 1 })).toMatchObject({
      ...shown,
      amount: amount + 1,
      id: rest.id,
    });
  });

  it('tells the log what was before, of two who set the first limit on everyone at once', async () => {
    const admins = [admin, await gateway.registerAdmin()];
    const everyone = {
      subject: 'everyone',
      subject_id: undefined,
      metric: 'tokens',
      window: 'hour',
      model: 'two',
    };
    // Makes the counter.
    const { id } = await limit({ ...everyone, amount: 1 });
    await send('DELETE', `/admin/limits/${id}`, admin.accessToken);
    const inTheWay = gateway.dataSource.createQueryRunner();
    await inTheWay.startTransaction();
    await inTheWay.query(
      `INSERT INTO limits (subject, metric, period, model, amount, set_by) VALUES ('everyone', 'tokens', 'hour', 'two', 1, 'admin')`,
    );
    const both = Promise.all(admins.map((by, index) => limit({ ...everyone, amount: 8_000 + index }, by)));
    await untilLocksAreAwaited(gateway, 2);
    await inTheWay.rollbackTransaction();
    await inTheWay.release();
    await both;
    const told = await gateway.dataSource.query<{ before: number }[]>(
      `SELECT jsonb_array_length(before -> 'limits') AS before FROM audit_log
       WHERE action = 'limit.put' AND after -> 'limits' -> 0 ->> 'model' = 'two' ORDER BY id OFFSET 1`,
    );
    expect(told).toEqual([{ before: 0 }, { before: 1 }]);
  });

  it('sets a default for all who have no limit of an administrator', async () => {
    const other = await gateway.register();
    await limit({ metric: 'requests', window: 'day', amount: 7 });
    const changed = await send('PUT', '/admin/limits/default', admin.accessToken, {
      metric: 'requests',
      window: 'day',
      amount: 3,
    });
    expect(changed.status).toBe(200);
    const amounts = await gateway.dataSource.query<{ subject_id: string; amount: string }[]>(
      `SELECT subject_id, amount FROM limits WHERE metric = 'requests' AND period = 'day' AND subject_id = ANY ($1)`,
      [[user.id, other.id]],
    );
    expect(Object.fromEntries(amounts.map((row) => [row.subject_id, Number(row.amount)]))).toEqual({
      [user.id]: 7,
      [other.id]: 3,
    });
    await send('PUT', '/admin/limits/default', admin.accessToken, {
      metric: 'requests',
      window: 'day',
      amount: null,
    });
    const left: unknown[] = await gateway.dataSource.query(
      `SELECT 1 FROM limits WHERE metric = 'requests' AND period = 'day' AND set_by = 'default'`,
    );
    expect(left).toEqual([]);
  });
});
