import { Counter, Metric, Registry } from 'prom-client';

// prom-client makes a text of the labels and looks it up at each count. Where every request counts, whoever counts keeps
// the number itself, and prom-client hears of it when somebody reads the metrics.

type Labels = Readonly<Record<string, string | number>>;

export interface MetricOptions {
  readonly name: string;
  readonly help: string;
  readonly registry: Registry;
}

/** One series of a counter. */
export interface Count {
  value: number;
}

/** A counter whose series are numbers to be kept by those who count. */
export class PlainCounter {
  private readonly series: { readonly labels: Labels; readonly count: Count }[] = [];

  constructor({ registry, ...options }: MetricOptions & { readonly labelNames: string[] }) {
    const { series } = this;
    const counter = new Counter({
      ...options,
      registers: [],
      collect() {
        this.reset();
        for (const { labels, count } of series) this.inc(labels, count.value);
      },
    });
    registry.registerMetric(counter);
  }

  /** A new series: asked for once for the same labels. */
  with(labels: Labels): Count {
    const count = { value: 0 };
    this.series.push({ labels, count });
    return count;
  }
}

/** One series of a histogram. */
export class Distribution {
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(
    readonly labels: Labels,
    private readonly bounds: readonly number[],
  ) {
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.sum += value;
    this.count += 1;
    const { bounds, counts } = this;
    for (let at = 0; at < bounds.length; at += 1) {
      if (value > (bounds[at] as number)) continue;
      counts[at] = (counts[at] as number) + 1;
      return;
    }
  }

  /** As Prometheus wants it: each bucket holds those before it, too. */
  samples(name: string): object[] {
    let below = 0;
    const sample = (suffix: string, value: number, le: object = {}) => ({
      labels: { ...le, ...this.labels },
      value,
      metricName: name + suffix,
    });
    return [
      ...this.bounds.map((le, at) => sample('_bucket', (below += this.counts[at] as number), { le })),
      sample('_bucket', this.count, { le: '+Inf' }),
      sample('_sum', this.sum),
      sample('_count', this.count),
    ];
  }
}

/** A histogram whose series are kept by those who observe. */
export class PlainHistogram {
  private readonly series: Distribution[] = [];

  constructor(
    { name, help, registry }: MetricOptions,
    private readonly bounds: readonly number[],
  ) {
    const get = () => ({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: this.series.flatMap((one) => one.samples(name)),
    });
    // All that a registry asks of a metric.
    registry.registerMetric({ name, get, reset: () => undefined } as unknown as Metric);
  }

  /** A new series: asked for once for the same labels. */
  with(labels: Labels): Distribution {
    const distribution = new Distribution(labels, this.bounds);
    this.series.push(distribution);
    return distribution;
  }
}
