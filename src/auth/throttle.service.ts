import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { usernameKey } from '../users/username';
import { addressPrefix } from './address-prefix';

/** What is counted, and how many of it a window of 15 minutes allows. */
interface Bucket {
  readonly key: Buffer;
  readonly allowed: number;
}

const WINDOW = '15 minutes';
const FAILURES_PER_ACCOUNT_AND_ADDRESS = 10;
const FAILURES_PER_ADDRESS = 100;
const REGISTRATIONS_PER_ADDRESS = 300;

/** How often a count also clears away rows whose window is long over. */
const CLEANING_CHANCE = 0.02;

/**
 * Counts failures in the database, so that all replicas agree. Always tied to an address: nobody can lock the
 * owner out from elsewhere. Accounts that do not exist count alike.
 */
@Injectable()
export class ThrottleService {
  constructor(private readonly dataSource: DataSource) {}

  loginBuckets(username: string, address: string | undefined): readonly [Bucket, Bucket] {
    const prefix = addressPrefix(address);
    return [
      bucket(['login', usernameKey(username), prefix], FAILURES_PER_ACCOUNT_AND_ADDRESS),
      bucket(['login', prefix], FAILURES_PER_ADDRESS),
    ];
  }

  registrationBuckets(address: string | undefined): readonly [Bucket] {
    return [bucket(['register', addressPrefix(address)], REGISTRATIONS_PER_ADDRESS)];
  }

  /** @throws ApiException 429 with Retry-After when one of the buckets is full. */
  async check(buckets: readonly Bucket[]): Promise<void> {
    const rows: { wait: number | null }[] = await this.dataSource.query(
      `SELECT ceil(extract(epoch FROM max(t.window_start) + interval '${WINDOW}' - now()))::int AS wait
       FROM login_throttles t JOIN unnest($1::bytea[], $2::int[]) AS b (bucket, allowed) USING (bucket)
       WHERE t.failures >= b.allowed AND t.window_start > now() - interval '${WINDOW}'`,
      [buckets.map(({ key }) => key), buckets.map(({ allowed }) => allowed)],
    );
    const wait = rows[0]?.wait;
    if (typeof wait !== 'number') return;
    throw new ApiException({
      status: 429,
      code: 'rate_limit_exceeded',
      message: 'Too many attempts from this address; wait as long as the Retry-After header says.',
      headers: { 'retry-after': String(Math.max(1, wait)) },
    });
  }

  async count(buckets: readonly Bucket[]): Promise<void> {
    // Sorted: two statements that count the same buckets lock their rows in the same order.
    await this.dataSource.query(
      `INSERT INTO login_throttles AS t (bucket, failures, window_start)
       SELECT b.bucket, 1, now() FROM unnest($1::bytea[]) AS b (bucket) ORDER BY b.bucket
       ON CONFLICT (bucket) DO UPDATE SET
         failures = CASE WHEN t.window_start > now() - interval '${WINDOW}' THEN t.failures + 1 ELSE 1 END,
         window_start = CASE WHEN t.window_start > now() - interval '${WINDOW}' THEN t.window_start ELSE now() END`,
      [buckets.map(({ key }) => key)],
    );
    if (Math.random() < CLEANING_CHANCE) await this.clean();
  }

  async clear(filled: Bucket): Promise<void> {
    await this.dataSource.query('DELETE FROM login_throttles WHERE bucket = $1', [filled.key]);
  }

  private async clean(): Promise<void> {
    await this.dataSource.query(
      `DELETE FROM login_throttles WHERE bucket IN (
         SELECT bucket FROM login_throttles WHERE window_start < now() - 2 * interval '${WINDOW}'
         LIMIT 500 FOR UPDATE SKIP LOCKED)`,
    );
  }
}

function bucket(parts: readonly string[], allowed: number): Bucket {
  return { key: createHash('sha256').update(JSON.stringify(parts)).digest(), allowed };
}
