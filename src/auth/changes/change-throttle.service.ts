import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiException } from '../../common/api.exception';
import type { Role } from '../../common/principal';
import { Env } from '../../config/env';
import { orUnavailable } from '../../database/database-unavailable';

/**
 * What is counted, each by itself: what a session changes, and what takes the password. Whoever has got hold of a
 * session alone cannot keep its owner from logging in and changing the password, which ends that session.
 */
export type Changes = 'with a session' | 'with the password';

const WINDOW_SECONDS = 60;
/** Their scripts make accounts by the hundred. */
const TIMES_FOR_ADMINISTRATORS = 10;

// A full bucket stays as it is, and no row comes back. The select sees it as it was before: empty at the very first.
const COUNT = `
  WITH counted AS (
    INSERT INTO login_throttles AS t (bucket, failures, window_start) VALUES ($1, 1, now())
    ON CONFLICT (bucket) DO UPDATE SET
      failures = CASE WHEN t.window_start > now() - make_interval(secs => $3) THEN t.failures + 1 ELSE 1 END,
      window_start = CASE WHEN t.window_start > now() - make_interval(secs => $3) THEN t.window_start ELSE now() END
    WHERE t.failures < $2 OR t.window_start <= now() - make_interval(secs => $3)
    RETURNING bucket
  )
  SELECT EXISTS (SELECT FROM counted) AS counted,
    (SELECT ceil(extract(epoch FROM window_start - now()) + $3)::int FROM login_throttles WHERE bucket = $1) AS wait`;

/**
 * Bounds how often a person changes something, because every change leaves rows behind. Counted in the database by the
 * account, so that neither more sessions nor more replicas nor other addresses give more.
 */
@Injectable()
export class ChangeThrottle {
  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** @throws ApiException 429 with Retry-After when there have been too many within a minute */
  async count(changes: Changes, person: { readonly id: string; readonly role: Role }): Promise<void> {
    const most = this.env.CHANGES_PER_MINUTE * (person.role === 'admin' ? TIMES_FOR_ADMINISTRATORS : 1);
    if (most === 0) return;
    const bucket = createHash('sha256')
      .update(JSON.stringify(['changes', changes, person.id]))
      .digest();
    const rows: { counted: boolean; wait: number | null }[] = await orUnavailable(
      this.dataSource.query(COUNT, [bucket, most, WINDOW_SECONDS]),
    );
    if (rows[0]?.counted !== true) throw tooManyChanges(rows[0]?.wait ?? WINDOW_SECONDS);
  }
}

function tooManyChanges(wait: number): ApiException {
  return new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message:
      'This account has changed too much in a short time; wait as long as the Retry-After header says.',
    headers: { 'retry-after': String(Math.min(WINDOW_SECONDS, Math.max(1, wait))) },
  });
}
