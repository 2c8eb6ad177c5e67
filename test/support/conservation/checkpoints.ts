import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';

const LOOK_MS = 250;

export interface SeenTokens {
  readonly prompt: number;
  readonly completion: number;
}

/**
 * The checkpoints of running requests as they were seen in the database, and what was settled at one. A row goes when its
 * request is settled, and the ledger does not keep them: one that was written and settled between two looks is not known.
 */
export class SeenCheckpoints {
  /** By request id, the latest seen. */
  readonly seen = new Map<string, SeenTokens>();
  /** Settled at a checkpoint, whether corrected later or not: their process was taken for dead. */
  readonly settledAt = new Set<string>();

  constructor(private readonly dataSource: DataSource) {}

  async watch(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      await sleep(LOOK_MS);
      try {
        const rows = await this.dataSource.query<({ id: string } & SeenTokens)[]>(
          `SELECT request_id AS id, prompt_tokens::int AS prompt, completion_tokens::int AS completion
           FROM open_requests WHERE checkpoint_at IS NOT NULL`,
        );
        for (const { id, ...tokens } of rows) this.seen.set(id, tokens);
        const settled = await this.dataSource.query<{ id: string }[]>(
          'SELECT request_id AS id FROM usage_records WHERE provisional',
        );
        for (const { id } of settled) this.settledAt.add(id);
      } catch {
        // PostgreSQL is away, as it shall be here.
      }
    }
  }
}
