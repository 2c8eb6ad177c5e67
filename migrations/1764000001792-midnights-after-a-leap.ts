import type { MigrationInterface, QueryRunner } from 'typeorm';

const firstMidnight = (isAlone: string): string => `
  CREATE OR REPLACE FUNCTION first_midnight(midnight timestamptz, zone text) RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN ${isAlone} THEN midnight ELSE midnight - coalesce(
      (((midnight - interval '1 second') AT TIME ZONE zone)::time + interval '1 second')::interval, interval '0') END
  $$`;

/**
 * Where clocks go forward from eleven in the evening to midnight, as in Greenland, the second before midnight is not shown
 * as a second to midnight either: the day before was taken to begin and to end a day too early, and shared its limits with
 * the next one. Only a second before of the same date tells of a midnight that comes twice.
 */
export class MidnightsAfterALeap1764000001792 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      firstMidnight(`zone = 'UTC' OR ((midnight - interval '1 second') AT TIME ZONE zone)::date
      IS DISTINCT FROM (midnight AT TIME ZONE zone)::date`),
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(firstMidnight(`zone = 'UTC'`));
  }
}
