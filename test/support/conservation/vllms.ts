import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry } from '../../../src/simulator/journal';
import { Simulator, startSimulator } from '../../../src/simulator/simulator';
import type { SimulatorSettings } from '../../../src/simulator/simulator-settings';

const COLLECT_MS = 500;

/** Several vLLM servers of one model, and what they did for each request. */
export class Vllms {
  private readonly journal = new Map<string, Set<JournalEntry>>();
  private readonly collecting = setInterval(() => this.collect(), COLLECT_MS);

  private constructor(private readonly servers: Simulator[]) {}

  static async start(count: number): Promise<Vllms> {
    return new Vllms(await Promise.all(Array.from({ length: count }, () => startSimulator())));
  }

  get urls(): string[] {
    return this.servers.map(({ baseUrl }) => baseUrl);
  }

  get count(): number {
    return this.servers.length;
  }

  /** Some of them have other settings for a while. */
  async have(settings: Partial<SimulatorSettings>, ms: number, indices: readonly number[]): Promise<void> {
    const changed = this.servers.filter((_, index) => indices.includes(index));
    const before = changed.map((server) => ({ ...server.settings }));
    for (const server of changed) Object.assign(server.settings, settings);
    await sleep(ms);
    for (const [index, server] of changed.entries()) Object.assign(server.settings, before[index]);
  }

  /** Ends one with all its connections, and starts a new one in its place. */
  async restart(index: number, afterMs: number): Promise<void> {
    const server = this.servers[index] as Simulator;
    await server.close();
    this.collect();
    await sleep(afterMs);
    const port = Number(new URL(server.baseUrl).port);
    this.servers[index] = await startSimulator({ port });
  }

  /** All generations that were asked for, by request; their entries go on changing while they run. */
  seen(): Map<string, readonly JournalEntry[]> {
    this.collect();
    return new Map([...this.journal].map(([id, entries]) => [id, [...entries]]));
  }

  async close(): Promise<void> {
    clearInterval(this.collecting);
    for (const server of this.servers) await server.close();
  }

  private collect(): void {
    for (const entry of this.servers.flatMap(({ journal }) => journal.entries)) {
      if (!entry.path.endsWith('/completions') || entry.requestId.startsWith('probe-')) continue;
      this.journal.set(entry.requestId, (this.journal.get(entry.requestId) ?? new Set()).add(entry));
    }
  }
}
