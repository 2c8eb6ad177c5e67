import { asAdmin, auditOf } from './support/administration';
import { asOwner, makeKey } from './support/api-keys';
import { startGateway, TestGateway, TestUser } from './support/gateway';

describe('the audit log of limits', () => {
  let gateway: TestGateway;
  let ada: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
  });
  afterAll(() => gateway.close());

  it.each([
    { metric: 'tokens', window: 'day', amount: 1_000 },
    { metric: 'requests', window: 'total', model: 'first', amount: 1_000 },
    { metric: 'concurrent_requests', amount: 1_000 },
  ])('tells what owners set on their keys in the words in which they set it: %j', async (asked) => {
    const key = await makeKey(gateway, ada);
    const keys = asOwner(gateway, ada);
    const put = (amount: number) => keys(`/${key.id}/limits`, { method: 'PUT', json: { ...asked, amount } });
    const { id } = (await put(1_000)).body;
    await put(5);
    await keys(`/${key.id}/limits/${String(id)}`, { method: 'DELETE' });
    const limit = { id, window: null, model: null, ...asked };
    const rows = (await auditOf(gateway, key.id)).slice(1);
    expect(rows.map(({ action, before, after, actor_id }) => [action, before, after, actor_id])).toEqual([
      ['key.limit_set', { limit: null }, { limit }, ada.id],
      ['key.limit_set', { limit }, { limit: { ...limit, amount: 5 } }, ada.id],
      ['key.limit_removed', { limit: { ...limit, amount: 5 } }, { limit: null }, ada.id],
    ]);
  });

  it('tells a default of concurrent requests without a window, as it is set', async () => {
    const request = asAdmin(gateway, await gateway.registerAdmin());
    const limit = { metric: 'concurrent_requests', amount: 7 };
    expect((await request('/limits/default', { method: 'PUT', json: limit })).status).toBe(200);
    const { body } = await request('/audit-log?action=limit.change_default');
    const [{ before, after }] = body.data as [{ before: object; after: object }];
    expect([before, after]).toMatchObject([
      { metric: 'concurrent_requests', window: null },
      { metric: 'concurrent_requests', window: null },
    ]);
  });
});
