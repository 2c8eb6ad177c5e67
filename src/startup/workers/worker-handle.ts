import cluster, { Worker } from 'node:cluster';
import { join } from 'node:path';
import type { MetricsSnapshot } from '../../observability/merged-metrics';
import { closeWhatIsNotConfirmed } from './unconfirmed-connections';
import type { FromWorker, Handover, ToWorker } from './messages';

const PROGRAM = join(__dirname, 'worker.js');

/** One worker process, from its fork to its end. */
export class WorkerHandle {
  /** Null when this machine had no room for a process. */
  private readonly worker: Worker | null;
  private readonly answers = new Map<number, (snapshot: MetricsSnapshot) => void>();
  private questions = 0;
  private tellListening: (port: number) => void = () => undefined;
  /** The last metrics of one that ended in order. */
  lastMetrics: MetricsSnapshot | null = null;
  /** The port once it serves; null before. */
  port: number | null = null;
  /** Why it cannot start, when it knows. */
  sentence: string | null = null;
  /** Whether the next one may start all the same. */
  mayPass = true;
  readonly listening = new Promise<number>((resolve) => (this.tellListening = resolve));
  /** Called again and again while it serves and its event loop turns. */
  onAlive: () => void = () => undefined;
  /** Resolves with what it died of, such as `exit code 1` or `SIGKILL`. */
  readonly ended: Promise<string>;

  constructor(handover: Handover) {
    cluster.setupPrimary({ exec: PROGRAM, args: [] });
    const worker = fork();
    this.worker = worker instanceof Error ? null : worker;
    this.ended = worker instanceof Error ? Promise.resolve(worker.message) : this.endOf(worker);
    this.send({ kind: 'start', handover });
  }

  get pid(): number {
    return this.worker?.process.pid ?? 0;
  }

  /** Asks it to end in order. */
  stop(patient: boolean): void {
    this.send({ kind: 'stop', patient });
  }

  kill(): void {
    this.worker?.process.kill('SIGKILL');
  }

  /** Null when it does not answer in time. */
  async metrics(withinMs: number): Promise<MetricsSnapshot | null> {
    const question = (this.questions += 1);
    try {
      return await new Promise((resolve) => {
        this.answers.set(question, resolve);
        setTimeout(resolve, withinMs, null).unref();
        this.send({ kind: 'metrics', question });
      });
    } finally {
      this.answers.delete(question);
    }
  }

  private endOf(worker: Worker): Promise<string> {
    closeWhatIsNotConfirmed(worker.process);
    worker.on('message', (message: FromWorker) => this.receive(message));
    return new Promise((resolve) => {
      worker.once('exit', (code: number, signal: string) => resolve(signal || `exit code ${code}`));
      // Also of messages that came too late; only a process that never was has no exit.
      worker.on('error', (error) => {
        if (worker.process.pid === undefined) resolve(error.message);
      });
    });
  }

  private receive(message: FromWorker): void {
    if (message.kind === 'alive') this.onAlive();
    else if (message.kind === 'listening') {
      this.port = message.port;
      this.tellListening(message.port);
    } else if (message.kind === 'failed') {
      this.sentence = message.sentence;
      this.mayPass = message.mayPass;
    } else if (message.question === null) this.lastMetrics = message.snapshot;
    else this.answers.get(message.question)?.(message.snapshot);
  }

  private send(message: ToWorker): void {
    // One that is gone is found out by its exit.
    if (this.worker?.isConnected()) this.worker.send(message, () => undefined);
  }
}

/** Without memory there is no process and an exception; without files, one that only has an error to tell. */
function fork(): Worker | Error {
  try {
    return cluster.fork();
  } catch (error) {
    return error as Error;
  }
}
