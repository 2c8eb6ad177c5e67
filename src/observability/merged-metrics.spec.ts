import { MergedMetrics, snapshotOf } from './merged-metrics';
import { Metrics } from './metrics';

const generation = {
  outcome: 'completed',
  model: 'opencode-llm',
  promptTokens: 10,
  cachedTokens: 4,
  completionTokens: 5,
  reasoningTokens: 1,
  timeToFirstTokenMs: 120,
};

describe('MergedMetrics', () => {
  let merged: MergedMetrics;
  let workers: Metrics[];
  const hear = async () => {
    for (const [index, metrics] of workers.entries())
      merged.heard(index + 1, await snapshotOf(metrics.registry));
  };
  const line = async (start: string) =>
    (await merged.text(2)).split('\n').filter((text) => text.startsWith(`llm_gateway_${start}`));

  beforeEach(() => {
    merged = new MergedMetrics();
    workers = [new Metrics(), new Metrics()];
    workers[0]?.settled(generation);
    for (const metrics of workers) {
      metrics.settled(generation);
      metrics.streamStarted();
    }
  });

  it('adds counters, histograms and gauges', async () => {
    await hear();
    expect(await line('tokens_total{kind="prompt"')).toEqual([
      'llm_gateway_tokens_total{kind="prompt",model="opencode-llm"} 30',
    ]);
    expect(await line('time_to_first_token_seconds_bucket{le="0.2"')).toEqual([
      'llm_gateway_time_to_first_token_seconds_bucket{le="0.2",model="opencode-llm"} 3',
    ]);
    expect(await line('running_streams')).toEqual(['llm_gateway_running_streams 2']);
    expect(await line('workers')).toEqual(['llm_gateway_workers 2']);
  });

  it('has vLLM down as long as one worker has', async () => {
    for (const [first, second, up] of [
      [false, false, 1],
      [true, false, 0],
      [true, true, 0],
    ] as const) {
      workers[0]?.upstreamIsDown(first, null);
      workers[1]?.upstreamIsDown(second, null);
      await hear();
      expect(await line('upstream_up')).toEqual([`llm_gateway_upstream_up ${up}`]);
    }
  });

  it('tells the lag of each event loop apart', async () => {
    await hear();
    expect(await line('nodejs_eventloop_lag_max_seconds')).toEqual([
      expect.stringContaining('{worker="1"}'),
      expect.stringContaining('{worker="2"}'),
    ]);
  });

  it('keeps what grows, and only that, of workers that ended', async () => {
    await hear();
    merged.gone(1, false);
    merged.gone(2, true);
    workers = [new Metrics()];
    workers[0]?.settled(generation);
    await hear();
    expect(await line('settlements_total')).toEqual(['llm_gateway_settlements_total{outcome="completed"} 4']);
    expect(await line('time_to_first_token_seconds_count')).toEqual([
      'llm_gateway_time_to_first_token_seconds_count{model="opencode-llm"} 4',
    ]);
    expect(await line('running_streams')).toEqual(['llm_gateway_running_streams 0']);
    expect(await line('worker_restarts_total')).toEqual(['llm_gateway_worker_restarts_total 1']);
    expect(await line('nodejs_eventloop_lag_max_seconds')).toHaveLength(1);
  });

  it('tells of nothing but itself before a worker was heard', async () => {
    expect(await line('')).toEqual(['llm_gateway_workers 2', 'llm_gateway_worker_restarts_total 0']);
  });
});
