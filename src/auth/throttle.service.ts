import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ApiException } from '../common/api.exception';
import { StrangersConnections } from '../database/strangers-connections';
import { usernameKey } from '../users/username';
import { addressPrefix } from './address-prefix';
import { Attempts, tooManyAttempts } from './too-many-attempts';
import { accountOfPasswords } from './wrong-passwords';

/** What is counted, and how many of it a window of 15 minutes allows. */
interface Bucket {
  readonly key: Buffer;
  readonly allowed: number;
  readonly attempts: Attempts;
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
  'asked AS (SELECT * FROM unnest($1::bytea[], $2::int[], $3::bytea[]) WITH ORDINALITY AS b (bucket, allowed, account, n))';
// By the one that takes longest, which is the one to tell of.
const WAIT = `
  SELECT ceil(extract(epoch FROM max(window_start) + interval '${WINDOW}' - now()))::int AS wait,
    (array_agg(n ORDER BY window_start DESC NULLS LAST, n))[1]::int AS which`;
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
  FROM asked LEFT JOIN login_throttles USING (bucket) WHERE bucket NOT IN (SELECT bucket FROM counted)`;

const CLEAR = `
  WITH ${ASKED},
  filled AS (SELECT window_start, n ${FULL}),
  cleared AS (DELETE FROM login_throttles WHERE bucket = $4 AND NOT EXISTS (SELECT FROM filled))
  ${WAIT}, count(*) > 0 AS refused FROM filled`;

interface Verdict {
  readonly refused: boolean;
  /** Seconds; null when no bucket is full, or when it filled while this was asked. */
  readonly wait: number | null;
  /** The place of the bucket that is full, from 1; null when none is. */
  readonly which: number | null;
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
        key: keyOf(['login', usernameKey(username), prefix]),
        allowed: FAILURES_PER_ACCOUNT_AND_ADDRESS,
        attempts: 'at one username',
        account: accountOfPasswords(username),
      },
      {
        key: keyOf(['login', prefix]),
        allowed: FAILURES_PER_ADDRESS,
        attempts: 'from one network',
        account: null,
      },
    ];
  }

  registrationBuckets(address: string | undefined): readonly [Bucket] {
    const key = keyOf(['register', addressPrefix(address)]);
    return [{ key, allowed: REGISTRATIONS_PER_ADDRESS, attempts: 'to register', account: null }];
  }

  /** @throws ApiException 429 with Retry-After when one of the buckets is full */
  async check(buckets: readonly Bucket[]): Promise<void> {
    const [verdict] = await this.ask<Omit<Verdict, 'refused'>>(CHECK, parametersOf(buckets));
    if (verdict && verdict.wait !== null) throw refusal(verdict, buckets);
  }

  /** @throws ApiException 429 with Retry-After when one of the buckets is full, and nothing more goes into it */
  async count(buckets: readonly Bucket[]): Promise<void> {
    judge(await this.ask(COUNT, parametersOf(buckets)), buckets);
    if (Math.random() < CLEANING_CHANCE) await this.clean();
  }

  /**
   * Empties the first bucket.
   * @throws ApiException 429 with Retry-After when one of them is full, and stays so
   */
  async clear(buckets: readonly [Bucket, ...Bucket[]]): Promise<void> {
    judge(await this.ask(CLEAR, [...parametersOf(buckets), buckets[0].key]), buckets);
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

function keyOf(parts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

const parametersOf = (buckets: readonly Bucket[]): [Buffer[], number[], (Buffer | null)[]] => [
  buckets.map(({ key }) => key),
  buckets.map(({ allowed }) => allowed),
  buckets.map(({ account }) => account),
];

function judge([verdict]: readonly Verdict[], buckets: readonly Bucket[]): void {
  if (verdict?.refused === true) throw refusal(verdict, buckets);
}

function refusal({ wait, which }: Omit<Verdict, 'refused'>, buckets: readonly Bucket[]): ApiException {
  const full = buckets[(which ?? 1) - 1] as Bucket;
  return tooManyAttempts(full.attempts, Math.min(WINDOW_SECONDS, Math.max(1, wait ?? WINDOW_SECONDS)));
}
