import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { settledRows } from '../support/ledger';
import { ledgerLines } from '../support/ledger-report';
import { call } from '../support/stream-client';

const LEASE_MS = 1_000;
/** Of the stream that goes on: it outlasts the others, and what is done after them. */
const LONG = 320;
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe('a database that goes on from a standby that was behind', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      settings: { PROCESS_LEASE_MS: String(LEASE_MS), DEFAULT_TOKEN_LIMIT: '1000000000' },
    });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const sql = <Row>(text: string) => gateway.dataSource.query<Row[]>(text);
  const ask = (tokens: number, tbtMs: number, stream: boolean) =>
    call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: { model: 'opencode-llm', stream, messages: said({ tokens, tbtMs }) },
    });
  const until = async (text: string, rows: number) => {
    for (let n = 0; (await sql(text)).length !== rows; n += 1) {
      if (n === 1_500) throw new Error(`not ${rows} rows: ${text}`);
      await sleep(20);
    }
  };
  /** It has not seen the first checkpoint of the whole answer, however slow this machine is. */
  const behind = () =>
    sql(`CREATE TABLE were_open AS TABLE open_requests; CREATE TABLE counted AS TABLE limit_windows;
      UPDATE were_open SET prompt_tokens = NULL, completion_tokens = NULL, checkpoint_at = NULL WHERE NOT stream`);
  const failOver = () =>
    sql(`BEGIN; DELETE FROM usage_records; DELETE FROM usage_daily; DELETE FROM open_requests;
      INSERT INTO open_requests SELECT * FROM were_open;
      UPDATE limit_windows w SET used = c.used, reserved = c.reserved, window_start = c.window_start
      FROM counted c WHERE c.id = w.id; COMMIT`);

  it('has requests open again that were settled: they end at their checkpoint, and what runs is left alone', async () => {
    const running = ask(LONG, 50, true);
    const ended = ask(80, 50, true);
    const whole = ask(80, 50, false);
    await until('SELECT 1 FROM open_requests', 3);
    await until('SELECT 1 FROM open_requests WHERE completion_tokens > 0', 2);
    await behind();
    const answers = await Promise.all([ended, whole]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    await until('SELECT 1 FROM open_requests', 1);
    await failOver();

    await until('SELECT 1 FROM usage_records', 2);
    const [checkpoint] = await sql<{ prompt: number; completion: number }>(
      `SELECT prompt_tokens::int AS prompt, completion_tokens::int AS completion FROM were_open
       WHERE completion_tokens > 0 AND request_id IN (SELECT request_id FROM usage_records)`,
    );
    expect(checkpoint?.completion).toBeGreaterThan(0);
    expect((await running).text).toContain('data: [DONE]');
    const rows = await settledRows(gateway, user.id);
    expect(rows).toHaveLength(3);
    expect(rows).toContainEqual(
      expect.objectContaining({
        outcome: 'upstream_error',
        source: 'estimated',
        status: 500,
        prompt_tokens: checkpoint?.prompt,
        completion_tokens: checkpoint?.completion,
      }),
    );
    expect(rows).toContainEqual(
      expect.objectContaining({ outcome: 'rejected', prompt_tokens: 0, completion_tokens: 0 }),
    );
    expect(rows).toContainEqual(
      expect.objectContaining({ outcome: 'completed', source: 'exact', completion_tokens: LONG }),
    );
    expect(await ledgerLines(gateway)).toEqual([]);
  });
});
