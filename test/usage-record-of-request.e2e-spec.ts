import { PartStatements } from '../src/database/part-statements';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { settledRows } from './support/ledger';
import { Answer, send } from './support/send';

const DAY = 86_400_000;
const NOBODYS_ID = '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11';

describe('the usage record of one request', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let bob: TestUser;
  let asked: (query: string) => Promise<Answer>;
  let requestId: string;
  const own = (query: string, user = ada) =>
    send(`${gateway.url}/users/usage/records?${query}`, { bearer: user.accessToken });
  const ids = ({ body }: Answer) =>
    (body.data as { request_id: string }[]).map((record) => record.request_id);

  beforeAll(async () => {
    gateway = await startGateway();
    [ada, bob] = [await gateway.register(), await gateway.register()];
    const request = asAdmin(gateway, await gateway.registerAdmin());
    asked = (query) => request(`/usage/records?${query}`);
    const body = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }] };
    requestId = '';
    for (let i = 0; i < 3; i += 1) {
      const answer = await gateway.post('/v1/chat/completions', ada.key, body);
      await answer.text();
      requestId = i === 1 ? String(answer.headers.get('x-request-id')) : requestId;
    }
    await settledRows(gateway, ada.id);
  });
  afterAll(() => gateway.close());

  it('is found by the x-request-id of its answer, by its user and by administrators, as JSON and CSV', async () => {
    for (const written of [requestId, requestId.toUpperCase()]) {
      for (const ask of [own, asked]) {
        const answer = await ask(`request_id=${written}`);
        expect([answer.status, ids(answer), answer.body.next_cursor]).toEqual([200, [requestId], null]);
        const { text } = await ask(`request_id=${written}&format=csv`);
        expect([text.split('\r\n').length, text.includes(`\n${requestId},`)]).toEqual([3, true]);
      }
    }
  });

  it('of somebody else is as if there were none', async () => {
    const [foreign, missing] = [
      await own(`request_id=${requestId}`, bob),
      await own(`request_id=${NOBODYS_ID}`, bob),
    ];
    expect([foreign.status, foreign.body]).toEqual([200, { data: [], next_cursor: null }]);
    expect(missing.text).toBe(foreign.text);
    const csv = await own(`request_id=${requestId}&format=csv`, bob);
    expect(csv.text.split('\r\n')).toHaveLength(2);
    expect((await asked(`request_id=${NOBODYS_ID}`)).body.data).toEqual([]);
  });

  it('has to be what the other filters ask for, too', async () => {
    const [{ key_id: keyId, model }] = (await own(`request_id=${requestId}`)).body.data as [
      { key_id: string; model: string },
    ];
    for (const [query, found] of [
      [`key_id=${keyId}&model=${model}`, 1],
      ['key_id=00000000-0000-0000-0000-000000000000', 0],
      ['model=another', 0],
      ['to=2020-01-01', 0],
      ['from=2020-01-01&to=2020-12-31', 0],
    ] as const) {
      for (const ask of [own, asked]) {
        expect([query, ids(await ask(`request_id=${requestId}&${query}`)).length]).toEqual([query, found]);
      }
    }
    expect(ids(await asked(`request_id=${requestId}&user_id=${ada.id}&outcome=completed`))).toHaveLength(1);
    expect(ids(await asked(`request_id=${requestId}&user_id=${bob.id}`))).toEqual([]);
    expect(ids(await asked(`request_id=${requestId}&outcome=rejected`))).toEqual([]);
  });

  it('is found however old it is', async () => {
    const at = new Date(Date.now() - 500 * DAY);
    const old = await recordGeneration(gateway, { userId: ada.id, at, prompt: 1, completion: 1 });
    expect([ids(await own(`request_id=${old}`)), ids(await asked(`request_id=${old}`))]).toEqual([
      [old],
      [old],
    ]);
  });

  it('is looked for by its id alone, in one partition', async () => {
    const statements = gateway.app.get(PartStatements, { strict: false });
    const spied = jest.spyOn(statements, 'run');
    try {
      for (const ask of [own, asked]) await ask(`request_id=${requestId}`);
      const looks = spied.mock.calls.filter(([text]) => text.includes('FROM usage_records'));
      expect(looks).toHaveLength(2);
      for (const [text, values] of looks) {
        const rows: { 'QUERY PLAN': string }[] = await gateway.dataSource.query(`EXPLAIN ${text}`, values);
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan.match(/ on usage_records\w*/g)).toHaveLength(1);
        expect(plan).toMatch(/Index Scan using[\s\S]*Index Cond: \([^\n]*request_id = /);
      }
    } finally {
      spied.mockRestore();
    }
  });
});
