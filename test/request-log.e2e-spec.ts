import { setTimeout as sleep } from 'node:timers/promises';
import { AppLogger } from '../src/observability/app-logger';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

describe('the log line of a request', () => {
  let gateway: TestGateway;
  let user: TestUser;
  const chat = (fields: object = {}) => ({
    model: 'opencode-llm',
    messages: [{ role: 'user', content: 'SIM:{"tokens":2}' }],
    ...fields,
  });

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  it('tells the code of a failure, whoever it comes from', async () => {
    const lines: { request_id: string; status: number; code?: string; outcome?: string }[] = [];
    jest.spyOn(gateway.app.get(AppLogger), 'closed').mockImplementation((_, line) => {
      lines.push(line as unknown as (typeof lines)[number]);
    });
    const lineOf = async (path: string, sent: Parameters<typeof send>[1]) => {
      const answer = await send(gateway.url + path, sent);
      const id = answer.headers.get('x-request-id');
      for (let tries = 0; tries < 200; tries += 1) {
        const line = lines.find(({ request_id: given }) => given === id);
        if (line) return [line.status, line.code, line.outcome];
        await sleep(10);
      }
      throw new Error(`${path} has no line`);
    };
    const path = '/v1/chat/completions';
    const asked = (json: object) => lineOf(path, { bearer: user.key, json });
    expect(await asked(chat())).toEqual([200, undefined, 'completed']);
    expect(await asked(chat({ model: 'nobodys' }))).toEqual([404, 'model_not_found', undefined]);
    expect(await lineOf(path, { bearer: 'sk-none', json: chat() })).toEqual([
      401,
      'invalid_api_key',
      undefined,
    ]);
    expect(await lineOf('/users/me', { bearer: user.key })).toEqual([403, 'session_required', undefined]);
    const died = { messages: [{ role: 'user', content: 'SIM:{"status":500}' }] };
    expect(await asked(chat(died))).toEqual([502, 'upstream_error', 'upstream_error']);
    await gateway.dataSource.query('UPDATE limits SET amount = 1 WHERE subject_id = $1', [user.id]);
    expect(await asked(chat())).toEqual([402, 'insufficient_quota', undefined]);
    jest.restoreAllMocks();
  });
});
