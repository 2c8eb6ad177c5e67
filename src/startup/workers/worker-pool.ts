import { setTimeout as sleep } from 'node:timers/promises';
import type { MergedMetrics } from '../../observability/merged-metrics';
import { StartupFailure } from '../startup-failure';
import type { Handover } from './messages';
import { ALIVE_EVERY_MS, Watchdog } from './watchdog';
import { WorkerHandle } from './worker-handle';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A worker that served for so long did not die of its start: the next one starts at once. */
const PROVEN_MS = 10_000;
/** Starts that fail in a row before it is taken for certain that no start will succeed. */
const HOPELESS = 5;
const METRICS_PATIENCE_MS = 2_000;

interface PoolOptions {
  readonly size: number;
  readonly handover: Handover;
  readonly metrics: MergedMetrics;
  readonly log: (line: string) => void;
  /** After which others take a process that says nothing for dead, in milliseconds. */
  readonly leaseMs: number;
  /** How long a worker that was asked to end may take before it is killed, in milliseconds. */
  readonly stopPatienceMs: number;
}

/** A number of places, in each of which a worker serves; one that dies is replaced. */
export class WorkerPool {
  private readonly places = new Map<number, WorkerHandle>();
  private readonly stopping = new AbortController();
  private readonly watchdog: Watchdog<WorkerHandle>;
  private keepers: Promise<void>[] = [];
  private failures = 0;
  private complete = false;
  private fail: (failure: StartupFailure) => void = () => undefined;
  /** Rejects when nothing serves any more, and new workers do not start. */
  readonly failed = new Promise<never>((_resolve, reject) => (this.fail = reject));

  constructor(private readonly options: PoolOptions) {
    this.failed.catch(() => undefined);
    this.watchdog = new Watchdog(options.leaseMs, performance.now());
  }

  /** @returns the port, once a worker serves in each place. @throws StartupFailure */
  async start(): Promise<number> {
    setInterval(() => this.killWhoHangs(), ALIVE_EVERY_MS).unref();
    const ports = Array.from({ length: this.options.size }, (_, index) => this.occupy(index + 1));
    const [port] = await Promise.race([Promise.all(ports), this.failed]);
    this.complete = true;
    return port as number;
  }

  /** Process ids of those that serve. */
  get serving(): number[] {
    return [...this.places.values()].filter(({ port }) => port !== null).map(({ pid }) => pid);
  }

  /** All metrics, one that hangs with what it last told. */
  async metrics(): Promise<string> {
    const { metrics } = this.options;
    await Promise.all(
      [...this.places].map(async ([place, worker]) => {
        const snapshot = await worker.metrics(METRICS_PATIENCE_MS);
        if (snapshot && this.places.get(place) === worker) metrics.heard(place, snapshot);
      }),
    );
    return metrics.text(this.serving.length);
  }

  /** Lets all workers end in order, at the same time. */
  async stop(patient: boolean): Promise<void> {
    this.stopping.abort();
    for (const worker of this.places.values()) worker.stop(patient);
    const late = setTimeout(() => {
      this.options.log('workers that do not end are killed');
      this.killAll();
    }, this.options.stopPatienceMs);
    await Promise.all(this.keepers);
    clearTimeout(late);
  }

  killAll(): void {
    for (const worker of this.places.values()) worker.kill();
  }

  /** Keeps a worker in a place until all is stopped. @returns the port of the first one that serves there */
  private occupy(place: number): Promise<number> {
    return new Promise((resolve) => {
      const keep = async (): Promise<void> => {
        let pause = 0;
        while (!this.stopping.signal.aborted) {
          const bornAt = performance.now();
          const worker = new WorkerHandle(this.options.handover);
          this.places.set(place, worker);
          worker.onAlive = () => this.watchdog.heard(worker);
          void worker.listening.then((port) => this.serves(worker, place, port)).then(resolve);
          const cause = await worker.ended;
          this.places.delete(place);
          this.watchdog.forget(worker);
          this.leftBy(worker, place);
          if (this.stopping.signal.aborted) return;
          const isProven = performance.now() - bornAt > PROVEN_MS;
          pause = isProven ? 0 : Math.min(Math.max(pause * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
          if (!this.mayTryAgain(worker, place, cause)) return;
          await sleep(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
        }
      };
      this.keepers.push(keep());
    });
  }

  private killWhoHangs(): void {
    for (const worker of this.watchdog.tick(performance.now())) {
      this.options.log(
        `a worker hangs (process ${worker.pid}) and is killed: nothing was heard of it for too long`,
      );
      worker.kill();
    }
  }

  private serves(worker: WorkerHandle, place: number, port: number): number {
    this.failures = 0;
    this.watchdog.heard(worker);
    if (this.complete) this.options.log(`worker ${place} serves (process ${worker.pid})`);
    return port;
  }

  private leftBy(worker: WorkerHandle, place: number): void {
    if (worker.lastMetrics) this.options.metrics.heard(place, worker.lastMetrics);
    this.options.metrics.gone(place, this.stopping.signal.aborted);
  }

  private mayTryAgain(worker: WorkerHandle, place: number, cause: string): boolean {
    const { log } = this.options;
    if (worker.port !== null) {
      log(`worker ${place} (process ${worker.pid}) ended: ${cause}; another one takes its place`);
      return true;
    }
    this.failures += 1;
    const reason = worker.sentence ?? cause;
    // What the primary could do and a worker cannot will not get better by itself.
    const certain = !this.complete && !worker.mayPass;
    if (certain || (this.failures >= HOPELESS && (!this.complete || this.serving.length === 0))) {
      this.fail(new StartupFailure(hopeless(this.failures, reason, worker.sentence !== null)));
      return false;
    }
    log(`worker ${place} did not start: ${reason.replace(/\.$/, '')}; trying again`);
    return true;
  }
}

function hopeless(failures: number, reason: string, isSentence: boolean): string {
  const text = isSentence ? reason : `${reason}.`;
  return failures === 1
    ? text
    : `Workers keep dying at their start, ${failures} in a row; the last one: ${text}`;
}
