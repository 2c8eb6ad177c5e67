import { Injectable, OnApplicationShutdown } from '@nestjs/common';

/** Something that must move before its deadline (performance.now(), milliseconds). */
export interface Watched {
  deadline: number;
  onStall(): void;
}

const TICK_MS = 250;

/** One coarse clock for all exchanges: a timer per chunk would cost more than the chunk. */
@Injectable()
export class StallWatch implements OnApplicationShutdown {
  private readonly watched = new Set<Watched>();
  private timer: NodeJS.Timeout | null = null;
  /** performance.now() of the last tick or newcomer. */
  private now = 0;
  private tickedAt = 0;

  add(entry: Watched): void {
    this.watched.add(entry);
    this.now = performance.now();
    if (this.timer) return;
    this.tickedAt = this.now;
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** The deadline of who may take so long from now on; up to a tick later. Asking the time would cost more than an event. */
  after(ms: number): number {
    return this.now + TICK_MS + ms;
  }

  remove(entry: Watched): void {
    this.watched.delete(entry);
    if (this.watched.size === 0) this.stop();
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  private tick(): void {
    const now = (this.now = performance.now());
    // While this process stood still it heard nobody, and what lies in its sockets is read after this: no silence of vLLM.
    const missed = now - this.tickedAt - 2 * TICK_MS;
    if (missed > 0) for (const entry of this.watched) entry.deadline += missed;
    this.tickedAt = now;
    for (const entry of this.watched) {
      if (now < entry.deadline) continue;
      entry.deadline = Infinity;
      entry.onStall();
    }
  }

  private stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }
}
