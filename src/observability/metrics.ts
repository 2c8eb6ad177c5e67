import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { Count, Distribution, PlainCounter, PlainHistogram } from './plain-counts';

const PREFIX = 'llm_gateway_';
const DURATIONS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const FIRST_TOKENS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

/** More names than this are a fault of the catalogue, and must not become a fault of the metrics store. */
const MAX_MODELS = 50;
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export interface SettledGeneration {
  readonly outcome: string;
  /** Public model name, from the catalogue. */
  readonly model: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens: number;
  readonly timeToFirstTokenMs: number | null;
}

export interface FinishedRequest {
  /** The route's pattern; undefined when no route matched. */
  readonly route: string | undefined;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

/** The series that requests of one route and method count in. */
interface RouteSeries {
  readonly byStatus: Map<number, Count>;
  readonly durations: Distribution;
}

/** The series that generations of one model count in. */
interface ModelSeries {
  readonly prompt: Count;
  readonly cached: Count;
  readonly completion: Count;
  readonly reasoning: Count;
  /** Made when there is something to observe. */
  firstTokens: Distribution | null;
}

/** Prometheus metrics of this process. Labels are bounded sets: never a user, a key, a path as it was sent. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly byRoute = new Map<string, Map<string, RouteSeries>>();
  private readonly timed = new Map<string, Distribution>();
  private readonly byModel = new Map<string, ModelSeries>();
  private readonly byVerdict = new Map<string, Count>();
  private readonly byOutcome = new Map<string, Count>();

  private readonly requests = this.counter('requests_total', 'HTTP requests', ['route', 'method', 'status']);
  private readonly durations = this.histogram(
    'request_duration_seconds',
    'From the arrival of a request to the end of its answer; of routes other than for clients by where they begin',
    DURATIONS,
  );
  private readonly tokens = this.counter(
    'tokens_total',
    'Billed tokens; cached is part of prompt, reasoning is part of completion',
    ['kind', 'model'],
  );
  private readonly firstTokens = this.histogram(
    'time_to_first_token_seconds',
    'Of streams: from the arrival of a request to the first byte of its answer',
    FIRST_TOKENS,
  );
  private readonly streams = new Gauge({
    name: `${PREFIX}running_streams`,
    help: 'Streams being relayed now',
    registers: [this.registry],
  });
  private readonly upstreamUp = new Gauge({
    name: `${PREFIX}upstream_up`,
    help: '0 while new generations are refused because vLLM answers none; of several, while one gets none',
    labelNames: ['upstream'],
    registers: [this.registry],
    // Of workers, who each judge for themselves, the one that has given it up must be seen.
    aggregator: 'min',
  });
  private readonly admissions = this.counter('admissions_total', 'Admission decisions', ['verdict']);
  private readonly settlements = this.counter('settlements_total', 'Settled generations', ['outcome']);
  private readonly refused = this.counter('shed_total', 'Generations refused for overload', []).with({});
  private readonly missing = this.counter(
    'usage_missing_total',
    'Answers of vLLM that named no usage',
    [],
  ).with({});
  private readonly lostLines = this.counter(
    'log_lines_lost_total',
    'Log lines that could not be written',
    [],
  ).with({});

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: PREFIX });
  }

  admitted(verdict: string): void {
    once(this.byVerdict, verdict, () => this.admissions.with({ verdict })).value += 1;
  }

  settled(generation: SettledGeneration): void {
    const { outcome, model, timeToFirstTokenMs } = generation;
    once(this.byOutcome, outcome, () => this.settlements.with({ outcome })).value += 1;
    const label = this.byModel.has(model) || this.byModel.size < MAX_MODELS ? model : 'other';
    const series = once(this.byModel, label, () => this.seriesOf(label));
    series.prompt.value += generation.promptTokens;
    series.cached.value += generation.cachedTokens;
    series.completion.value += generation.completionTokens;
    series.reasoning.value += generation.reasoningTokens;
    if (timeToFirstTokenMs === null) return;
    series.firstTokens ??= this.firstTokens.with({ model: label });
    series.firstTokens.observe(timeToFirstTokenMs / 1_000);
  }

  streamStarted(): void {
    this.streams.inc();
  }

  streamEnded(): void {
    this.streams.dec();
  }

  shed(): void {
    this.refused.value += 1;
  }

  /** @param upstream which of several; null where there is one */
  upstreamIsDown(isDown: boolean, upstream: string | null): void {
    this.upstreamUp.set(upstream === null ? {} : { upstream }, isDown ? 0 : 1);
  }

  usageMissing(): void {
    this.missing.value += 1;
  }

  logLinesLost(lines: number): void {
    this.lostLines.value += lines;
  }

  requestFinished({ route = 'none', method: given, status, seconds }: FinishedRequest): void {
    const method = METHODS.has(given) ? given : 'other';
    const byMethod = once(this.byRoute, route, () => new Map<string, RouteSeries>());
    const { byStatus, durations } = once(byMethod, method, () => ({
      byStatus: new Map<number, Count>(),
      durations: this.durationsOf(timedAs(route), method),
    }));
    once(byStatus, status, () => this.requests.with({ route, method, status })).value += 1;
    durations.observe(seconds);
  }

  private durationsOf(route: string, method: string): Distribution {
    return once(this.timed, `${method} ${route}`, () => this.durations.with({ route, method }));
  }

  private seriesOf(model: string): ModelSeries {
    const tokens = (kind: string): Count => this.tokens.with({ kind, model });
    return {
      prompt: tokens('prompt'),
      cached: tokens('cached'),
      completion: tokens('completion'),
      reasoning: tokens('reasoning'),
      firstTokens: null,
    };
  }

  private counter(name: string, help: string, labelNames: string[]): PlainCounter {
    return new PlainCounter({ name: PREFIX + name, help, labelNames, registry: this.registry });
  }

  private histogram(name: string, help: string, bounds: readonly number[]): PlainHistogram {
    return new PlainHistogram({ name: PREFIX + name, help, registry: this.registry }, bounds);
  }
}

/**
 * The routes of clients one by one, all others by where they begin: a hundred of these, each with its buckets, would be more
 * series than all the rest.
 */
const timedAs = (route: string): string =>
  /^\/(v1|chat)\//.test(route) ? route : (/^\/[^/]+/.exec(route)?.[0] ?? route);

/** What a map has under a name, made when it is not there yet. */
function once<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
