import { PartStatements } from '../src/database/part-statements';
import { recordGeneration } from './support/generations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send } from './support/send';

const NO_KEY = '00000000-0000-0000-0000-000000000000';
const DAY = 86_400_000;

describe('the filters of GET /users/usage/records', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let keyId: string;
  let keyOfBob: string;
  /** By what they were used with; each a day older than the one before. */
  const made: Record<string, string> = {};
  const now = Date.now();
  const at = (days: number) => new Date(now - days * DAY);

  const ask = (query: string): Promise<Answer> =>
    send(`${gateway.url}/users/usage/records${query}`, { bearer: ada.accessToken });
  const names = (ids: string[]) => ids.map((id) => Object.keys(made).find((name) => made[name] === id));
  const listed = ({ body }: Answer) =>
    names((body.data as { request_id: string }[]).map(({ request_id: id }) => id));
  const lines = ({ text }: Answer) =>
    names(
      text
        .split('\r\n')
        .slice(1, -1)
        .map((line) => line.split(',')[0] as string),
    );
  const keyOf = async (user: TestUser): Promise<string> => {
    const [key] = await gateway.dataSource.query<[{ id: string }]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [user.id],
    );
    return key.id;
  };

  beforeAll(async () => {
    gateway = await startGateway();
    ada = await gateway.register();
    const bob = await gateway.register();
    [keyId, keyOfBob] = [await keyOf(ada), await keyOf(bob)];
    const used = { prompt: 1, completion: 1 };
    const own = { ...used, userId: ada.id };
    made['session'] = await recordGeneration(gateway, { ...own, at: at(1) });
    made['key'] = await recordGeneration(gateway, { ...own, at: at(2), keyId });
    made['key, large'] = await recordGeneration(gateway, { ...own, at: at(3), keyId, model: 'large_%' });
    made['long ago'] = await recordGeneration(gateway, { ...own, at: at(400) });
    await gateway.dataSource.query(
      `UPDATE usage_records SET outcome = 'client_closed' WHERE request_id = $1`,
      [made['key']],
    );
    await recordGeneration(gateway, { ...used, userId: bob.id, at: at(2), keyId: keyOfBob });
  });
  afterAll(() => gateway.close());

  it.each([
    ['nothing', () => '', ['session', 'key', 'key, large', 'long ago']],
    ['a key', () => `key_id=${keyId}`, ['key', 'key, large']],
    ['sessions', () => `key_id=${NO_KEY}`, ['session', 'long ago']],
    ['a model', () => 'model=large_%25', ['key, large']],
    ['a part of its name', () => 'model=%25', []],
    ['a key and a model', () => `key_id=${keyId}&model=sim`, ['key']],
    ['an outcome', () => 'outcome=client_closed', ['key']],
    ['a key and an outcome', () => `key_id=${keyId}&outcome=completed`, ['key, large']],
    ['from', () => `from=${at(2).toISOString()}`, ['session', 'key']],
    ['to, excluded', () => `to=${at(2).toISOString()}`, ['key, large']],
    ['both', () => `from=${at(401).toISOString()}&to=${at(300).toISOString()}`, ['long ago']],
    ['somebody else’s key', () => `key_id=${keyOfBob}`, []],
  ])('narrows pages and CSV by %s', async (_, query, found) => {
    const pages = await ask(`?${query()}`);
    expect(pages.body.next_cursor).toBeNull();
    expect(listed(pages)).toEqual(found);
    expect(lines(await ask(`?format=csv&${query()}`))).toEqual(found);
  });

  it('goes on behind a cursor with the same filters', async () => {
    const first = await ask(`?limit=1&key_id=${keyId}&from=${at(10).toISOString()}`);
    const cursor = first.body.next_cursor as string;
    const second = await ask(`?limit=1&key_id=${keyId}&from=${at(10).toISOString()}&cursor=${cursor}`);
    expect([listed(first), listed(second), second.body.next_cursor]).toEqual([['key'], ['key, large'], null]);
  });

  it.each([
    '?from=2024-01-01&to=2025-06-01',
    '?from=2024-01-01&to=2025-06-01&format=csv',
    '?from=2024-01-01',
  ])('answers 422 to more than 366 days: %s', async (query) => {
    const answer = await ask(query);
    expect([answer.status, answer.body.code, answer.body.param]).toEqual([422, 'range_too_long', 'from']);
  });

  it.each([
    ['from', 'from=yesterday'],
    ['to', 'to=2026-13-01'],
    ['outcome', 'outcome=lost'],
    ['from', 'from=2026-11-03&to=2026-11-01'],
    ['key_id', 'key_id=laptop'],
    ['request_id', 'request_id=1'],
    ['request_id', 'request_id='],
    ['model', 'model='],
    ['model', 'model=a&model=b'],
    ['source', 'source=exact'],
    ['user_id', `user_id=${NO_KEY}`],
  ])('names %s when it refuses ?%s with 400', async (field, query) => {
    const answer = await ask(`?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.text).toContain(field);
  });

  it('shows each record once, though new ones arrive while a page looks for them', async () => {
    const eve = await gateway.register();
    /** Newest first, a millisecond apart. */
    const add = (count: number, model: string, from: number): Promise<unknown> =>
      gateway.dataSource.query(
        `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome, source,
           status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
         SELECT (lpad(to_hex($4::bigint - n), 12, '0') || '7abc8' || substr(md5(random()::text), 18))::uuid,
           to_timestamp(($4::bigint - n) / 1000.0), now(), $1, 'chat_completions', $3, false, 'completed', 'exact', 200, 1,
           0, 1, 0, 1
         FROM generate_series(1, $2::int) n`,
        [eve.id, count, model, from],
      );
    // The rare ones stand just before the end of what one page looks through.
    let newest = now - DAY;
    await add(9_750, 'sim', newest);
    await add(30, 'rare', newest - 9_750);
    await add(500, 'sim', newest - 9_780);
    const statements = gateway.app.get(PartStatements, { strict: false });
    const run = statements.run.bind(statements);
    const arriving = jest.spyOn(statements, 'run').mockImplementation(async (text, values) => {
      newest += 100;
      await add(100, 'sim', newest);
      return run(text, values);
    });
    try {
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const answer: Answer = await send(
          `${gateway.url}/users/usage/records?model=rare&limit=100${cursor && `&cursor=${cursor}`}`,
          { bearer: eve.accessToken },
        );
        found.push(...(answer.body.data as { request_id: string }[]).map(({ request_id: id }) => id));
        cursor = answer.body.next_cursor as string | null;
      }
      expect([found.length, new Set(found).size]).toEqual([30, 30]);
    } finally {
      arriving.mockRestore();
    }
  });
});
