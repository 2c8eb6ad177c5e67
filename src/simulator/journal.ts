import type { IncomingHttpHeaders } from 'node:http';

/** What the simulator did for one request: the truth that metering is checked against. */
export interface JournalEntry {
  /** The X-Request-Id that came with it, else one of the simulator's own. */
  readonly requestId: string;
  readonly method: string;
  /** As it stood in the request line, and without its query. */
  readonly target: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed; null when there was none or it was no JSON. */
  body: unknown;
  model: string;
  stream: boolean;
  /** How many answers it generates at once: n for each prompt. 0 when none is generated. */
  sequences: number;
  promptTokens: number;
  cachedTokens: number;
  /** Generated so far, summed over the choices; reasoning is part of it. */
  completionTokens: number;
  reasoningTokens: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  cancelledAt: number | null;
  finishedAt: number | null;
  outcome: 'running' | 'completed' | 'cancelled' | 'rejected' | 'fault';
  status: number | null;
}

/** Keeps the latest requests, oldest first. */
export class Journal {
  private readonly kept: JournalEntry[] = [];

  constructor(private readonly capacity = 20_000) {}

  get entries(): readonly JournalEntry[] {
    return this.kept;
  }

  get running(): number {
    return this.kept.reduce((count, entry) => count + (entry.outcome === 'running' ? 1 : 0), 0);
  }

  /** What the scheduler counts: every answer that is still being generated. */
  get unfinished(): number {
    return this.kept.reduce((count, entry) => count + (entry.outcome === 'running' ? entry.sequences : 0), 0);
  }

  open(entry: JournalEntry): JournalEntry {
    this.kept.push(entry);
    if (this.kept.length > this.capacity) this.kept.splice(0, this.kept.length - this.capacity);
    return entry;
  }

  find(requestId: string): JournalEntry | undefined {
    return this.kept.findLast((entry) => entry.requestId === requestId);
  }

  clear(): void {
    this.kept.length = 0;
  }

  /** @throws when something still runs after `withinMs` */
  async waitForIdle(withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (this.running > 0) {
      if (Date.now() > deadline) throw new Error(`${this.running} requests still run after ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
