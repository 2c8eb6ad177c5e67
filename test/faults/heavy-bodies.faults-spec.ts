import {
  cleanUp,
  emptyFolder,
  ensureBuilt,
  freePort,
  GatewayProcess,
  printedAdmin,
  startProcess,
} from '../support/gateway-process';
import { createDatabase, TestDatabase } from '../support/postgres';
import { RawUpstream, startRawUpstream } from '../support/raw-upstream';
import { slowness } from '../support/slowness';

const MOST_LAG_MS = 200;
/** What else the machine does may fall on one of them. */
const TRIES = 5;
const MIB = 1_024 * 1_024;

const MESSAGES = [{ role: 'user', content: 'hi' }];
const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));
const keys = (count: number): object => Object.fromEntries(times(count, (index) => [`k${index}`, index]));
const schemas = (count: number, prefix = 'k'): object =>
  Object.fromEntries(times(count, (index) => [`${prefix}${index}`, {}]));
const called = (parameters: object) => [{ type: 'function', function: { name: 'f', parameters } }];

const ERROR = '{"error":{"message":"Too long.","type":"BadRequestError","param":null,"code":400}}';
/** What is not refused here is there: it shall not be the upstream that takes its time. */
const REFUSAL = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${ERROR.length}\r\n\r\n${ERROR}`;

/** A process of its own: what this one does to make and send them is not to be measured. */
describe('bodies that are made to be slow', () => {
  let upstream: RawUpstream;
  let metricsUrl = '';
  let database: TestDatabase;
  let gateway: GatewayProcess;
  let key = '';

  beforeAll(async () => {
    await ensureBuilt();
    [upstream, database] = [await startRawUpstream(), await createDatabase()];
    upstream.answer = (socket) => socket.write(REFUSAL);
    const port = String(await freePort());
    metricsUrl = `http://127.0.0.1:${port}/metrics`;
    gateway = await startProcess(emptyFolder(), {
      DATABASE_URL: database.url,
      VLLM_BASE_URL: upstream.url,
      METRICS_PORT: port,
    });
    await gateway.printed('"model": "llm-user-managed/');
    key = printedAdmin(gateway).apiKey;
  });
  afterAll(async () => {
    await cleanUp();
    upstream.close();
    await database.drop();
  });

  const post = async (body: string): Promise<number> => {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body,
    });
    await answer.text();
    return answer.status;
  };
  /** The longest that its event loop was held up since it was asked last. */
  const lag = async (): Promise<number> => {
    const text = await (await fetch(metricsUrl)).text();
    return 1_000 * Number(/^llm_gateway_nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]);
  };
  /** The least of some tries, in milliseconds of a usual machine that does nothing else. */
  async function lagOf(work: () => Promise<unknown>): Promise<number> {
    let least = Infinity;
    for (let tried = 0; tried < TRIES && least > MOST_LAG_MS; tried += 1) {
      const before = slowness();
      await lag();
      await work();
      least = Math.min(least, (await lag()) / Math.max(before, slowness()));
    }
    return least;
  }

  it.each<[string, number, () => object]>([
    ['100,000 fields', 400, () => ({ messages: MESSAGES, ...keys(100_000) })],
    ['100,000 keys in a field', 400, () => ({ messages: MESSAGES, chat_template_kwargs: keys(100_000) })],
    ['100,000 keys in a field that is dropped', 400, () => ({ messages: MESSAGES, metadata: keys(100_000) })],
    [
      '29,000 keys in a schema',
      400,
      () => ({ messages: MESSAGES, response_format: { json_schema: { schema: schemas(29_000) } } }),
    ],
    [
      '29,000 keys in a tool, near the window',
      400,
      () => ({ messages: MESSAGES, tools: called(schemas(29_000)), tool_choice: 'required' }),
    ],
    [
      'a thousand tools of 60 keys each, all different',
      400,
      () => ({ messages: MESSAGES, tools: times(1_000, (tool) => called(schemas(60, `${tool}_`))[0]) }),
    ],
    ['a text of 5 MB', 400, () => ({ messages: [{ role: 'user', content: 'x'.repeat(5 * MIB) }] })],
    [
      'a text of 5 MB of Hangul, which normalising may lengthen',
      400,
      () => ({ messages: [{ role: 'user', content: '각'.repeat((5 * MIB) / 3) }] }),
    ],
    ['a name of 5 MB', 400, () => ({ messages: MESSAGES, model: 'x'.repeat(5 * MIB) })],
    ['a key of 5 MB', 400, () => ({ messages: MESSAGES, ['x'.repeat(5 * MIB)]: 1 })],
    ['200,000 messages', 400, () => ({ messages: times(200_000, () => MESSAGES[0]) })],
    ['10,000 tools', 400, () => ({ messages: MESSAGES, tools: times(10_000, () => called({})[0]) })],
    [
      'a thousand tools of 5 kB',
      400,
      () => ({
        messages: MESSAGES,
        tools: times(1_000, (index) => called({ [`p${index}`]: 'x'.repeat(5_000) })[0]),
      }),
    ],
  ])('hold up others for 200 ms at most: %s', async (_, status, fields) => {
    const body = JSON.stringify({ model: 'opencode-llm', max_tokens: 1, ...fields() });
    const statuses = new Set<number>();
    const held = await lagOf(async () => statuses.add(await post(body)));
    expect([...statuses]).toEqual([status]);
    expect(held).toBeLessThanOrEqual(MOST_LAG_MS);
  });
});
