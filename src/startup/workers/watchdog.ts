/** How often a worker says that it is there, and how often it is looked who has. Milliseconds. */
export const ALIVE_EVERY_MS = 1_000;

/** What a worker hangs in, if in nothing of its own: a machine that is far behind. */
const LEAST_PATIENCE_MS = 5_000;

/**
 * Finds workers whose event loop hangs: they live, and so nobody would replace them.
 *
 * Only time in which this process ran counts. One that was stopped, with all its workers, finds in its pipes what they said
 * meanwhile, but its timers come first.
 */
export class Watchdog<Worker extends object> {
  private readonly silences = new Map<Worker, number>();
  private readonly patienceMs: number;

  /**
   * @param leaseMs after which others take a process for dead, and settle what it had open
   * @param lastTick of the clock that `tick` is told, in milliseconds
   */
  constructor(
    leaseMs: number,
    private lastTick: number,
  ) {
    this.patienceMs = Math.max(leaseMs, LEAST_PATIENCE_MS);
  }

  heard(worker: Worker): void {
    this.silences.set(worker, 0);
  }

  forget(worker: Worker): void {
    this.silences.delete(worker);
  }

  /**
   * To be called every ALIVE_EVERY_MS.
   * @returns those that were heard once and are now silent for too long; each of them once
   */
  tick(now: number): Worker[] {
    const listened = Math.min(now - this.lastTick, 2 * ALIVE_EVERY_MS);
    this.lastTick = now;
    const hanging: Worker[] = [];
    for (const [worker, before] of this.silences) {
      const silence = before + listened;
      this.silences.set(worker, silence);
      if (silence <= this.patienceMs) continue;
      hanging.push(worker);
      this.forget(worker);
    }
    return hanging;
  }
}
