import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const STEP_MS = 10;
/** Later than this is the machine's doing: a thread that only sleeps has nothing else to wait for. */
const LATE_MS = 40;
const MOST = 10_000;

const SAMPLER = `
const { workerData } = require('node:worker_threads');
const [control, gaps] = [new Int32Array(workerData, 0, 2), new Float64Array(workerData, 8)];
for (let last = Date.now(); Atomics.load(control, 1) === 0; ) {
  Atomics.wait(control, 1, 0, ${STEP_MS});
  const now = Date.now();
  const count = control[0];
  if (now - last > ${LATE_MS} && count < ${MOST}) {
    gaps[2 * count] = last + ${STEP_MS};
    gaps[2 * count + 1] = now;
    Atomics.store(control, 0, count + 1);
  }
  last = now;
}`;

/**
 * What the machine lost, to be subtracted where something is promised in so much time: a thread of its own sees when
 * nothing in this process ran, so that an event loop that is held up by the gateway in it is not excused.
 */
export class LostTime {
  private readonly memory = new SharedArrayBuffer(8 + 16 * MOST);
  private readonly control = new Int32Array(this.memory, 0, 2);
  private readonly gaps = new Float64Array(this.memory, 8);
  private readonly worker = new Worker(SAMPLER, { eval: true, workerData: this.memory });

  constructor() {
    this.worker.unref();
  }

  /** Milliseconds of Date.now() between the two in which the machine let nothing run. */
  async between(from: number, to: number): Promise<number> {
    // The sampler must have woken, too.
    await sleep(3 * STEP_MS);
    return this.soFar(from, to);
  }

  /** The same, but for a pause that ended just now. */
  soFar(from: number, to: number): number {
    let lost = 0;
    for (let at = 0; at < Atomics.load(this.control, 0); at += 1) {
      const [begun, ended] = [this.gaps[2 * at] as number, this.gaps[2 * at + 1] as number];
      lost += Math.max(0, Math.min(to, ended) - Math.max(from, begun));
    }
    return lost;
  }

  async stop(): Promise<void> {
    Atomics.store(this.control, 1, 1);
    Atomics.notify(this.control, 1);
    await this.worker.terminate();
  }
}
