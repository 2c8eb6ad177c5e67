import type { MigrationInterface, QueryRunner } from 'typeorm';

/** @param first a function that makes the first of two midnights of one, both as SQL */
const windows = (first: (midnight: string) => string): string[] => [
  `
  CREATE OR REPLACE FUNCTION limit_window_start(period text, at timestamptz, zone text) RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN period = 'total' THEN '-infinity'::timestamptz
      WHEN period IN ('minute', 'hour') THEN date_trunc(period, at, zone)
      ELSE ${first('date_trunc(period, at, zone)')} END
  $$`,
  `
  CREATE OR REPLACE FUNCTION limit_window_end(period text, at timestamptz, zone text) RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN period = 'total' THEN NULL
      -- Hours are as long as ever when the clocks change; days are not.
      WHEN period IN ('minute', 'hour') THEN date_trunc(period, at, zone) + ('1 ' || period)::interval
      ELSE ${first("(date_trunc(period, at AT TIME ZONE zone) + ('1 ' || period)::interval) AT TIME ZONE zone")} END
  $$`,
];

/**
 * Where clocks go back from one o'clock to midnight, that midnight comes twice, and PostgreSQL means the second. The hour
 * between the two is of the new day, as its date says: the day, week or month begins with the first.
 */
export class FirstMidnights1764000001740 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // What the clock shows a second before is a second to midnight, and what is taken away nothing: but for the second
    // midnight, before which it has gone on for as long as it is put back. Infinity shows no time. UTC, where most count,
    // is never put back.
    await queryRunner.query(`
      CREATE FUNCTION first_midnight(midnight timestamptz, zone text) RETURNS timestamptz
      LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN zone = 'UTC' THEN midnight ELSE midnight - coalesce(
          (((midnight - interval '1 second') AT TIME ZONE zone)::time + interval '1 second')::interval, interval '0') END
      $$`);
    await queryRunner.query(`
      CREATE FUNCTION day_start(day date, zone text) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT first_midnight(day::timestamp AT TIME ZONE zone, zone)
      $$`);
    for (const replace of windows((midnight) => `first_midnight(${midnight}, zone)`))
      await queryRunner.query(replace);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const replace of windows((midnight) => midnight)) await queryRunner.query(replace);
    await queryRunner.query(`DROP FUNCTION day_start(date, text)`);
    await queryRunner.query(`DROP FUNCTION first_midnight(timestamptz, text)`);
  }
}
