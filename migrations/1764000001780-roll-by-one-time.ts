import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replacing, withChanged } from '../src/database/sql-text';
import { WITHOUT_THE_SHORT_WAY as ROLLED_BY_THE_CLOCK } from './1764000001720-admit-one';

const CHANGES: readonly (readonly [from: string, to: string])[] = [
  [
    `    array_agg(false)
  INTO c_ids, c_subjects, c_subject_ids, c_metrics, c_periods, c_models, c_starts, c_used, c_reserved,
    c_previous, c_changed
`,
    `    array_agg(false), max(window_start)
  INTO c_ids, c_subjects, c_subject_ids, c_metrics, c_periods, c_models, c_starts, c_used, c_reserved,
    c_previous, c_changed, newest
`,
  ],
  [
    `belongs to the new window.
  right_now := clock_timestamp();
`,
    `belongs to the new window.
  -- When the clock has been set back, all windows roll by the start of the newest one, as that is when this is admitted.
  -- Not so by hours: a counter that a clock far ahead has rolled must not take those of everybody else with it.
  right_now := clock_timestamp();
  IF newest < right_now + interval '1 hour' THEN right_now := greatest(right_now, newest); END IF;
`,
  ],
  [
    `      c_changed[j] := true;
    END IF;
    newest := greatest(newest, c_starts[j]);
  END LOOP;
  right_now := greatest(right_now, newest);
`,
    `      c_changed[j] := true;
    END IF;
  END LOOP;
  right_now := greatest(right_now, newest);
`,
  ],
  [
    `  newest timestamptz := '-infinity';
`,
    `  newest timestamptz;
`,
  ],
];

export const ADMIT = CHANGES.reduce((text, [from, to]) => withChanged(text, from, to), ROLLED_BY_THE_CLOCK);

/**
 * Windows rolled by the clock, and the admission was then dated to the newest window. Of a clock that had been set back,
 * one counter was still in its last window and the reservation in it was dated to the next one: its release found nothing.
 */
export class RollByOneTime1764000001780 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ADMIT));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(replacing(ROLLED_BY_THE_CLOCK));
  }
}
