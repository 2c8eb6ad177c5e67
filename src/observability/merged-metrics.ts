import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';

/** One metric as `Registry.getMetricsAsJSON` tells it. */
interface MetricSnapshot {
  readonly name: string;
  readonly type: string;
  readonly aggregator?: string;
  readonly values: readonly { readonly labels: Readonly<Record<string, string | number>> }[];
}

/** All metrics of one process at one moment, such as can be sent to another process. */
export type MetricsSnapshot = readonly MetricSnapshot[];

/** A mean of these would hide the one worker that hangs. */
const ONE_FOR_EACH_WORKER = /_eventloop_lag_/;
/** What only ever grows: the merged value must not fall when a worker ends. */
const GROWING: ReadonlySet<string> = new Set(['counter', 'histogram']);

/**
 * The metrics of several workers as one: counters, histograms and gauges are sums, event-loop lag has a label `worker`.
 * What a worker had counted when it was last heard of stays counted after its end.
 */
export class MergedMetrics {
  private readonly living = new Map<number, MetricsSnapshot>();
  private ended: Promise<MetricsSnapshot> = Promise.resolve([]);
  private readonly own = new Registry();
  private readonly workers = new Gauge({
    name: 'llm_gateway_workers',
    help: 'Worker processes that serve',
    registers: [this.own],
  });
  private readonly restarts = new Counter({
    name: 'llm_gateway_worker_restarts_total',
    help: 'Workers that ended without being asked to',
    registers: [this.own],
  });

  readonly contentType = this.own.contentType;

  /** @param worker its number, the label of what is not summed */
  heard(worker: number, snapshot: MetricsSnapshot): void {
    this.living.set(worker, snapshot);
  }

  /** @param asked whether its end was wanted */
  gone(worker: number, asked: boolean): void {
    if (!asked) this.restarts.inc();
    const kept = this.living.get(worker)?.filter(({ type }) => GROWING.has(type));
    this.living.delete(worker);
    if (kept) this.ended = this.ended.then((before) => snapshotOf(merged([before, kept])));
  }

  /** @param serving how many workers serve now */
  async text(serving: number): Promise<string> {
    this.workers.set(serving);
    const snapshots = [...this.living].map(([worker, snapshot]) => labelled(worker, snapshot));
    return merged([...snapshots, await this.ended, await snapshotOf(this.own)]).metrics();
  }
}

export async function snapshotOf(registry: Registry): Promise<MetricsSnapshot> {
  // The package declares `type` as an enumeration of numbers; it is a text.
  return (await registry.getMetricsAsJSON()) as unknown as MetricsSnapshot;
}

function merged(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate([...snapshots] as object[]);
}

function labelled(worker: number, snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.map((metric) =>
    ONE_FOR_EACH_WORKER.test(metric.name)
      ? {
          ...metric,
          aggregator: 'sum',
          values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } })),
        }
      : metric,
  );
}
