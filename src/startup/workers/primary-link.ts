import cluster from 'node:cluster';
import type { FromWorker, Handover, ToWorker } from './messages';

/** A worker's end of the line to the primary. */
export class PrimaryLink {
  private readonly handlers = new Map<ToWorker['kind'], (message: ToWorker) => void>();
  /** Resolves when the primary is gone without a word. */
  readonly lost = new Promise<void>((resolve) => {
    cluster.worker?.once('disconnect', () => {
      // Else Node ends this process at once, in the middle of its answers.
      if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
      resolve();
    });
  });

  constructor() {
    process.on('message', (message: ToWorker) => this.handlers.get(message.kind)?.(message));
  }

  /** Resolves with what to start with. */
  handover(): Promise<Handover> {
    return new Promise((resolve) => this.on('start', ({ handover }) => resolve(handover)));
  }

  on<Kind extends ToWorker['kind']>(
    kind: Kind,
    handler: (message: Extract<ToWorker, { kind: Kind }>) => void,
  ): void {
    this.handlers.set(kind, handler as (message: ToWorker) => void);
  }

  /** Resolves when it is sent, or there is nobody to send it to. */
  tell(message: FromWorker): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.(message, undefined, {}, () => resolve());
      else resolve();
    });
  }
}
