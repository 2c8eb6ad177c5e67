import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { StrangersConnections } from '../database/strangers-connections';
import { usernameKey } from '../users/username';
import { addressPrefix } from './address-prefix';
import { accountOfPasswords } from './wrong-passwords';

/** What is counted, and how many of it a window of 15 minutes allows. */
interface Bucket {
  readonly key: Buffer;
  readonly allowed: number;
  /** Whose new password empties it; null: nobody's. */
  readonly account: Buffer | null;
}

const WINDOW = '15 minutes';
const WINDOW_SECONDS = 900;
const FAILURES_PER_ACCOUNT_AND_ADDRESS = 10;
const FAILURES_PER_ADDRESS = 100;
const REGISTRATIONS_PER_ADDRESS = 300;

/** How often a count also clears away rows whose window is long over. */
const CLEANING_CHANCE = 0.02;

const IS_OVER = `t.window_start <= now() - interval '${WINDOW}'`;
const ASKED =
  'asked AS (SELECT * FROM unnest($1::bytea[], $2::int[], $3::bytea[]) AS b (bucket, allowed, account))';
const WAIT = `SELECT ceil(extract(epoch FROM max(t.window_start) + interval '${WINDOW}' - now()))::int AS wait`;
const FULL = `FROM login_throttles t JOIN asked a USING (bucket) WHERE t.failures >= a.allowed AND NOT ${IS_OVER}`;

const CHECK = `WITH ${ASKED} ${WAIT} ${FULL}`;

// A full bucket stays as it is, and no row comes back; the last select sees it as it was before: empty at the very first.
// Sorted: two statements that count the same buckets lock their rows in the same order.
const COUNT = `
  WITH ${ASKED},
  counted AS (
    INSERT INTO login_throttles AS t (bucket, account, failures, window_start)
    SELECT bucket, account, 1, now() FROM asked ORDER BY bucket
    ON CONFLICT (bucket) DO UPDATE SET
      account = excluded.account,
      failures = CASE WHEN ${IS_OVER} THEN 1 ELSE t.failures + 1 END,
      window_start = CASE WHEN ${IS_OVER} THEN now() ELSE t.window_start END
    WHERE t.failures < (SELECT allowed FROM asked WHERE bucket = t.bucket) OR ${IS_OVER}
    RETURNING bucket
  )
  ${WAIT}, (SELECT count(*) FROM counted) < cardinality($1) AS refused
  FROM login_throttles t JOIN asked USING (bucket) WHERE bucket NOT IN (SELECT bucket FROM counted)`;

const CLEAR = `
  WITH ${ASKED},
  filled AS (SELECT t.window_start ${FULL}),
  cleared AS (DELETE FROM login_throttles WHERE bucket = $4 AND NOT EXISTS (SELECT FROM filled))
  ${WAIT}, count(*) > 0 AS refused FROM filled t`;

interface Verdict {
  readonly refused: boolean;
  readonly wait: number | null;
}

/**
 * Counts failures in the database, so that all replicas agree. Always tied to an address: nobody can lock the
 * owner out from elsewhere. Accounts that do not exist count alike.
 */
@Injectable()
export class ThrottleService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly strangers: StrangersConnections,
  ) {}

  loginBuckets(username: string, address: string | undefined): readonly [Bucket, Bucket] {
    const prefix = addressPrefix(address);
    return [
      {
        ...bucket(['login', usernameKey(username), prefix], FAILURES_PER_ACCOUNT_AND_ADDRESS),
        account: accountOfPasswords(username),
      },
      bucket(['login', prefix], FAILURES_PER_ADDRESS),
    ];
  }

  registrationBuckets(address: string | undefined): readonly [Bucket] {
    return [bucket(['register', addressPrefix(address)], REGISTRATIONS_PER_ADDRESS)];
  }

  /** @throws ApiException 429 with Retry-After when one of the buckets is full */
  async check(buckets: readonly Bucket[]): Promise<void> {
    const rows = await this.ask<Pick<Verdict, 'wait'>>(CHECK, parametersOf(buckets));
    const wait = rows[0]?.wait ?? null;
    if (wait !== null) throw tooMany(wait);
  }

  /** @throws ApiException 429 with Retry-After when one of the buckets is full, and nothing more goes into it */
  async count(buckets: readonly Bucket[]): Promise<void> {
    this.judge(await this.ask(COUNT, parametersOf(buckets)));
    if (Math.random() < CLEANING_CHANCE) await this.clean();
  }

  /**
   * Empties the first bucket.
   * @throws ApiException 429 with Retry-After when one of them is full, and stays so
   */
  async clear(buckets: readonly [Bucket, ...Bucket[]]): Promise<void> {
    this.judge(await this.ask(CLEAR, [...parametersOf(buckets), buckets[0].key]));
  }

  private judge([verdict]: readonly Verdict[]): void {
    if (verdict?.refused === true) throw tooMany(verdict.wait ?? WINDOW_SECONDS);
  }

  private ask<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.strangers.run(() => this.dataSource.query<Row[]>(text, values));
  }

  private async clean(): Promise<void> {
    await this.ask(
      `DELETE FROM login_throttles WHERE bucket IN (
         SELECT bucket FROM login_throttles WHERE window_start < now() - 2 * interval '${WINDOW}'
         LIMIT 500 FOR UPDATE SKIP LOCKED)`,
    );
  }
}

function bucket(parts: readonly string[], allowed: number): Bucket {
  return { key: createHash('sha256').update(JSON.stringify(parts)).digest(), allowed, account: null };
}

const parametersOf = (buckets: readonly Bucket[]): [Buffer[], number[], (Buffer | null)[]] => [
  buckets.map(({ key }) => key),
  buckets.map(({ allowed }) => allowed),
  buckets.map(({ account }) => account),
];

function tooMany(wait: number): ApiException {
  return new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message: 'Too many attempts from this address; wait as long as the Retry-After header says.',
    headers: { 'retry-after': String(Math.min(WINDOW_SECONDS, Math.max(1, wait))) },
  });
}
