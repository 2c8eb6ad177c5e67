import { asAdmin } from './support/administration';
import { startGateway, TestGateway } from './support/gateway';
import type { Answer, Sent } from './support/send';

/** All in the same order, of rows with a time and an id. */
const LISTS = ['/users', '/invitations', '/limits', '/audit-log', '/usage?group_by=user'];

describe('the cursor of a list', () => {
  let gateway: TestGateway;
  let request: (path: string, sent?: Sent) => Promise<Answer>;
  const page = (list: string, query: string) => request(`${list}${list.includes('?') ? '&' : '?'}${query}`);

  beforeAll(async () => {
    gateway = await startGateway();
    request = asAdmin(gateway, await gateway.registerAdmin());
    for (const json of [{ note: 'one' }, { note: 'two' }]) {
      const user = await gateway.register();
      const limit = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'day', amount: 5 };
      await request('/invitations', { json });
      await request('/limits', { method: 'PUT', json: limit });
      await gateway.dataSource.query(
        `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
           completion_tokens, reasoning_tokens)
         VALUES ($1, now(), '00000000-0000-0000-0000-000000000000', 'm', 1, 1, 0, 1, 0)`,
        [user.id],
      );
    }
  });
  afterAll(() => gateway.close());

  it('leads on in its own list, and is refused by every other one', async () => {
    for (const list of LISTS) {
      const first = await page(list, 'limit=1');
      const cursor = String(first.body.next_cursor);
      expect([list, (await page(list, `cursor=${cursor}`)).status]).toEqual([list, 200]);
      for (const other of LISTS.filter((name) => name !== list)) {
        const { status, body } = await page(other, `cursor=${cursor}`);
        expect([list, other, status, body.param, body.detail]).toEqual([
          list,
          other,
          400,
          'cursor',
          expect.stringContaining('of the same list'),
        ]);
      }
    }
  });
});
