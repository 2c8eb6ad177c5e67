import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

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

/** Prometheus metrics of this process. Labels are bounded sets: never a user, a key, a path as it was sent. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  private readonly models = new Set<string>();

  private readonly requests = this.counter('requests_total', 'HTTP requests', ['route', 'method', 'status']);
  private readonly durations = new Histogram({
    name: `${PREFIX}request_duration_seconds`,
    help: 'From the arrival of a request to the end of its answer',
    labelNames: ['route', 'method'] as const,
    buckets: DURATIONS,
    registers: [this.registry],
  });
  private readonly tokens = this.counter(
    'tokens_total',
    'Billed tokens; cached is part of prompt, reasoning is part of completion',
    ['kind', 'model'],
  );
  private readonly firstTokens = new Histogram({
    name: `${PREFIX}time_to_first_token_seconds`,
    help: 'From the arrival of a request to the first byte of its answer',
    labelNames: ['model'] as const,
    buckets: FIRST_TOKENS,
    registers: [this.registry],
  });
  private readonly streams = new Gauge({
    name: `${PREFIX}running_streams`,
    help: 'Streams being relayed now',
    registers: [this.registry],
  });
  private readonly admissions = this.counter('admissions_total', 'Admission decisions', ['verdict']);
  private readonly settlements = this.counter('settlements_total', 'Settled generations', ['outcome']);
  private readonly refused = this.counter('shed_total', 'Generations refused for overload', []);
  private readonly missing = this.counter('usage_missing_total', 'Answers of vLLM that named no usage', []);

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: PREFIX });
  }

  admitted(verdict: string): void {
    this.admissions.inc({ verdict });
  }

  settled(generation: SettledGeneration): void {
    const model = this.modelLabel(generation.model);
    this.settlements.inc({ outcome: generation.outcome });
    this.tokens.inc({ kind: 'prompt', model }, generation.promptTokens);
    this.tokens.inc({ kind: 'cached', model }, generation.cachedTokens);
    this.tokens.inc({ kind: 'completion', model }, generation.completionTokens);
    this.tokens.inc({ kind: 'reasoning', model }, generation.reasoningTokens);
    if (generation.timeToFirstTokenMs !== null) {
      this.firstTokens.observe({ model }, generation.timeToFirstTokenMs / 1_000);
    }
  }

  streamStarted(): void {
    this.streams.inc();
  }

  streamEnded(): void {
    this.streams.dec();
  }

  shed(): void {
    this.refused.inc();
  }

  usageMissing(): void {
    this.missing.inc();
  }

  requestFinished({ route = 'none', method, status, seconds }: FinishedRequest): void {
    const verb = METHODS.has(method) ? method : 'other';
    this.requests.inc({ route, method: verb, status });
    this.durations.observe({ route, method: verb }, seconds);
  }

  private modelLabel(model: string): string {
    if (this.models.has(model)) return model;
    if (this.models.size >= MAX_MODELS) return 'other';
    this.models.add(model);
    return model;
  }

  private counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] });
  }
}
