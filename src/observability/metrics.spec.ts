import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metrics, SettledGeneration } from './metrics';

const generation = (fields: Partial<SettledGeneration> = {}): SettledGeneration => ({
  outcome: 'completed',
  model: 'opencode-llm',
  promptTokens: 10,
  cachedTokens: 4,
  completionTokens: 5,
  reasoningTokens: 1,
  timeToFirstTokenMs: 120,
  ...fields,
});

describe('Metrics', () => {
  let metrics: Metrics;
  const text = () => metrics.registry.metrics();
  beforeEach(() => {
    metrics = new Metrics();
  });

  it('adds tokens by kind and model', async () => {
    metrics.settled(generation());
    metrics.settled(generation());
    expect(await text()).toContain('llm_gateway_tokens_total{kind="prompt",model="opencode-llm"} 20');
    expect(await text()).toContain('llm_gateway_tokens_total{kind="reasoning",model="opencode-llm"} 2');
    expect(await text()).toContain('llm_gateway_settlements_total{outcome="completed"} 2');
    expect(await text()).toContain('llm_gateway_time_to_first_token_seconds_count{model="opencode-llm"} 2');
  });

  it('says of first tokens, as docs/operations.md does, that they are those of streams', async () => {
    const [, help = ''] = /^# HELP llm_gateway_time_to_first_token_seconds (.*)$/m.exec(await text()) ?? [];
    expect(help).toMatch(/^Of streams: /);
    const operations = readFileSync(join(__dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
    const row = operations.split('\n').find((line) => line.startsWith('| `time_to_first_token_seconds`'));
    expect(row?.split('|')[3]?.trim()).toBe(help.replace(/^O/, 'o'));
  });

  it('does not count a first token that never came', async () => {
    metrics.settled(generation({ timeToFirstTokenMs: null }));
    expect(await text()).not.toContain('time_to_first_token_seconds_count{');
  });

  it('counts a duration in each bucket it is not above', async () => {
    for (const seconds of [0.004, 0.005, 0.2, 400]) {
      metrics.requestFinished({ route: '/v1/models', method: 'GET', status: 200, seconds });
    }
    const series = (await text()).split('\n').filter((line) => line.includes('request_duration_seconds_'));
    const of = (suffix: string, le = '') => {
      const found = series.find((line) => line.includes(`seconds_${suffix}{${le}`));
      return Number(found?.split(' ').at(-1));
    };
    const buckets = ['0.005', '0.1', '0.25', '300', '+Inf'].map((le) => of('bucket', `le="${le}"`));
    expect(buckets).toEqual([2, 2, 3, 3, 4]);
    expect([of('count'), of('sum')]).toEqual([4, expect.closeTo(400.209)]);
  });

  it('stays bounded however many models and methods are named', async () => {
    for (let n = 0; n < 1_000; n += 1) {
      metrics.settled(generation({ model: `model-${n}` }));
      metrics.requestFinished({ route: undefined, method: `FOO${n}`, status: 404, seconds: 0 });
    }
    const series = (await text()).split('\n').filter((line) => line.startsWith('llm_gateway_'));
    expect(series.length).toBeLessThan(1_500);
    expect(series.filter((line) => line.startsWith('llm_gateway_requests_total'))).toHaveLength(1);
  });

  it('times the routes of clients one by one and all others by where they begin, below 2,000 series', async () => {
    const places = ['/admin', '/users', '/auth', '/connect', '/health'].flatMap((place) =>
      Array.from({ length: 24 }, (_, n) => `${place}/things/:id/${n}`),
    );
    const clients = ['/v1/models', '/v1/chat/completions', '/v1/embeddings', '/chat/completions'];
    for (const route of [...places, ...clients])
      for (const status of [200, 400, 401, 403, 404, 429, 503])
        metrics.requestFinished({ route, method: 'POST', status, seconds: 0.2 });
    const lines = (await text()).split('\n').filter((line) => line.startsWith('llm_gateway_'));
    expect(lines.length).toBeLessThan(2_000);
    const timed = lines.filter((line) => line.includes('request_duration_seconds_count'));
    expect(timed.map((line) => /route="([^"]*)"/.exec(line)?.[1]).toSorted()).toEqual(
      ['/admin', '/auth', '/connect', '/health', '/users', ...clients].toSorted(),
    );
    expect(timed.find((line) => line.includes('"/admin"'))).toMatch(/ 168$/);
    expect(lines).toContain(
      'llm_gateway_requests_total{route="/admin/things/:id/3",method="POST",status="404"} 1',
    );
  });

  it('counts the streams that run', async () => {
    metrics.streamStarted();
    metrics.streamStarted();
    metrics.streamEnded();
    expect(await text()).toContain('llm_gateway_running_streams 1');
  });

  it('tells of the event loop and the process', async () => {
    expect(await text()).toContain('llm_gateway_nodejs_eventloop_lag_seconds');
    expect(await text()).toContain('llm_gateway_process_resident_memory_bytes');
  });
});
