import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { eventsOf } from './support/response-events';
import { leaveTokens } from './support/room-left';
import { call } from './support/stream-client';

const MODEL = 'opencode-llm';
const said = (steps: object) => `SIM:${JSON.stringify(steps)}`;

describe('how a response of POST /v1/responses may end', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: 'served', maxModelLen: 32_768 }] } });
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.simulator.journal.clear();
    user = await gateway.register();
  });

  const ask = (body: object) => gateway.post('/v1/responses', user.key, { model: MODEL, ...body });

  it('bills a stream that is left by what vLLM had counted, and stops it', async () => {
    const body = { model: MODEL, stream: true, input: said({ tokens: 400, tbtMs: 10 }) };
    const path = '/v1/responses';
    await call({ url: gateway.url, path, credential: user.key, body, hangUpAfterBytes: 4_000 });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'client_closed', source: 'exact', endpoint: 'responses' });
    await gateway.simulator.journal.waitForIdle(5_000);
    const [entry] = gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('completions'));
    expect(row?.prompt_tokens).toBe(entry?.promptTokens);
    expect(row?.completion_tokens).toBeGreaterThan(3);
    expect(row?.completion_tokens).toBeLessThanOrEqual(entry?.completionTokens ?? 0);
    expect(entry?.completionTokens).toBeLessThan(400);
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('holds to a limit, and says when an answer is cut to it', async () => {
    await leaveTokens(gateway, user.id, 60);
    const clamped = await ask({ input: said({ tokens: 90 }), max_output_tokens: 100 });
    expect(await clamped.json()).toMatchObject({ status: 'incomplete', max_output_tokens: 100 });
    expect(Number(clamped.headers.get('x-llm-clamped-max-tokens'))).toBeLessThan(60);
    const refused = await ask({ input: said({ tokens: 90 }) });
    expect([refused.status, await refused.json()]).toEqual([
      402,
      { error: expect.objectContaining({ code: 'insufficient_quota' }) },
    ]);
  });

  it.each<[string, object]>([
    ['dies', { tokens: 9, dieAfterChunks: 4 }],
    ['ends too early', { tokens: 9, endAfterChunks: 4 }],
    ['says [DONE] too early', { tokens: 9, doneWithoutFinish: true }],
    ['fails', { tokens: 9, errorFrameAfterChunks: 4 }],
  ])('ends a stream whose vLLM %s as failed, and never as complete', async (_, steps) => {
    const answer = await ask({ input: said(steps), stream: true });
    const events = eventsOf(await answer.text());
    const message = expect.stringMatching(/^The /);
    expect(events.slice(-2)).toMatchObject([
      { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message } } },
      { type: 'error', code: 'server_error', message, error: { message, type: expect.any(String) } },
    ]);
    const types = events.map(({ type }) => type);
    expect(types).not.toContain('response.completed');
    expect(types).not.toContain('response.incomplete');
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'upstream_error', endpoint: 'responses' });
  });
});
