import type { MigrationInterface, QueryRunner } from 'typeorm';
import { withChanged } from '../src/database/sql-text';
import { SETTLE_LATE as BESIDE_FILLED_COUNTERS } from './1764000001330-correct-and-roll';

const CHANGES: readonly (readonly [from: string, to: string])[] = [
  [
    `limit_window_start(w.period, clock_timestamp(), p_zone)) AS started
    FROM limit_windows w
`,
    `limit_window_start(w.period, clock_timestamp(), p_zone)) AS started,
      CASE w.metric WHEN 'requests' THEN became.admitted_at ELSE was.settled_at END AS counted_at
    FROM limit_windows w
`,
  ],
  [
    `      + CASE WHEN became.admitted_at < l.started THEN 0 WHEN w.metric = 'requests' THEN missing::integer
        ELSE became.prompt_tokens + became.completion_tokens - was.prompt_tokens - was.completion_tokens END,
`,
    `      + CASE WHEN became.admitted_at < l.started THEN 0
        -- What a counter that is still to be filled will find of this request in the ledger: a request that belongs to the
        -- time before it; no tokens, as their record has been settled now.
        WHEN w.metric = 'requests' THEN CASE WHEN w.backfill_before > l.counted_at THEN 0 ELSE missing::integer END
        ELSE became.prompt_tokens + became.completion_tokens
          - CASE WHEN w.backfill_before > l.counted_at THEN 0 ELSE was.prompt_tokens + was.completion_tokens END END,
    -- Who is adding it up may have read the ledger before.
    backfill_changes = CASE WHEN w.backfill_before > l.counted_at THEN coalesce(w.backfill_changes, 0) + 1
      ELSE w.backfill_changes END,
`,
  ],
];

const SETTLE_LATE = CHANGES.reduce((text, [from, to]) => withChanged(text, from, to), BESIDE_FILLED_COUNTERS);

/**
 * A settlement that comes late, for a time before a counter that is not filled yet: it is counted as the one who fills the
 * counter will find it, and he is told to read once more.
 */
export class LateBesideNewCounters1764000001785 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE limit_windows ADD COLUMN backfill_changes integer`);
    await queryRunner.query(SETTLE_LATE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(BESIDE_FILLED_COUNTERS);
    await queryRunner.query(`ALTER TABLE limit_windows DROP COLUMN backfill_changes`);
  }
}
