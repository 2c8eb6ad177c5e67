import type { MigrationInterface, QueryRunner } from 'typeorm';
import { withChanged } from '../src/database/sql-text';
import { SETTLE as RELEASED_AT_ANY_PRICE } from './1764000001320-settle-and-roll';

const CHANGES: readonly (readonly [from: string, to: string])[] = [
  [
    `      reserved = CASE WHEN c.started > w.window_start THEN 0 ELSE w.reserved END
        - CASE WHEN open.admitted_at < c.started OR NOT (w.id = ANY (open.held)) THEN 0
          WHEN c.metric = 'tokens' THEN open.reserved ELSE 1 END,
`,
    `      -- A counter that has lost a reservation, however that was, must not cost the record of the request.
      reserved = greatest(0, CASE WHEN c.started > w.window_start THEN 0 ELSE w.reserved END
        - CASE WHEN open.admitted_at < c.started OR NOT (w.id = ANY (open.held)) THEN 0
          WHEN c.metric = 'tokens' THEN open.reserved ELSE 1 END),
`,
  ],
  [
    `    reserved = CASE WHEN d.started > w.window_start THEN 0 ELSE w.reserved END - d.released,
`,
    `    reserved = greatest(0, CASE WHEN d.started > w.window_start THEN 0 ELSE w.reserved END - d.released),
`,
  ],
];

const SETTLE = CHANGES.reduce((text, [from, to]) => withChanged(text, from, to), RELEASED_AT_ANY_PRICE);

/** Settlement releases what is there to release: the CHECK of a counter took the whole settlement with it. */
export class ReleaseWhatIsThere1764000001781 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(SETTLE);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(RELEASED_AT_ANY_PRICE);
  }
}
