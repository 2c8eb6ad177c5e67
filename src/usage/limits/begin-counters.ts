import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { ApiException } from '../../common/api.exception';
import type { Limit } from './limit.entity';

/** The counters of some subjects over one window. */
export interface CountersOfMany {
  readonly subject: Limit['subject'];
  readonly subjectIds: readonly string[];
  readonly metric: Limit['metric'];
  readonly period: Limit['period'];
  /** Public model name, or '' for any. */
  readonly model: string;
}

/** While nobody can be admitted everybody waits, up to a second at a time: so that they come through in between. */
const ATTEMPTS = 10;
const PAUSE_MS = 500;

const LOCK_NOT_AVAILABLE = '55P03';

/**
 * From here on the counters are there, and hold what requests under way have reserved.
 * @param most a subject that has so many counters gets no further one
 * @throws ApiException 503 when something that is being settled is in the way for too long
 */
export async function beginCounters(
  dataSource: DataSource,
  zone: string,
  { subject, subjectIds, metric, period, model }: CountersOfMany,
  most = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  const values = [subject, subjectIds, metric, period, model, zone, most];
  for (let attempt = 1; ; attempt += 1) {
    try {
      await dataSource.query('SELECT begin_counters($1, $2, $3, $4, $5, $6, $7)', values);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      if (attempt === ATTEMPTS) throw heldUp(error);
      await sleep(PAUSE_MS * (1 + Math.random()));
    }
  }
}

const heldUp = (cause: unknown): ApiException =>
  new ApiException({
    status: 503,
    code: 'busy',
    message:
      'The limit cannot begin to count while what is being settled holds the counters. Please repeat the request shortly.',
    headers: { 'retry-after': '10' },
    cause,
  });
