import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApiException } from '../../common/api.exception';
import { Env } from '../../config/env';

const MINUTE_MS = 60_000;
/** Grammars that are remembered: of one that is forgotten too early the next use counts again. */
const MOST_KNOWN = 50_000;
/** Accounts that are remembered; fewer where each may have many: 8 MB of times over all of them. */
const MOST_ACCOUNTS = 20_000;
const MOST_TIMES = 1_000_000;

/** When an account has last had grammars compiled: a ring, `oldest` is the one to be overwritten. */
interface Compiled {
  readonly times: Float64Array;
  oldest: number;
}

/**
 * Lets an account have so many different grammars compiled within any minute. vLLM does that on the CPU, beside the engine
 * that serves everybody, and keeps what it has compiled: one that it has seen within the minute costs nothing here either.
 * Counted by each process for itself.
 */
@Injectable()
export class GrammarLimit {
  private readonly known = new LRUCache<string, number>({ max: MOST_KNOWN });
  private readonly accounts: LRUCache<string, Compiled>;

  constructor(private readonly env: Env) {
    const forEach = Math.floor(MOST_TIMES / Math.max(1, env.GRAMMARS_PER_MINUTE));
    this.accounts = new LRUCache({ max: Math.min(MOST_ACCOUNTS, forEach) });
  }

  /**
   * @param grammar null: the request needs none
   * @throws ApiException 429
   */
  count(userId: string, grammar: string | null, now = performance.now()): void {
    if (grammar === null || this.env.GRAMMARS_PER_MINUTE === 0) return;
    const name = userId + grammar;
    const countedAt = this.known.get(name);
    if (countedAt !== undefined && now - countedAt < MINUTE_MS) return;
    const compiled = this.compiledOf(userId);
    const freeAt = (compiled.times[compiled.oldest] as number) + MINUTE_MS;
    if (freeAt > now) throw tooManyGrammars(Math.ceil((freeAt - now) / 1_000));
    compiled.times[compiled.oldest] = now;
    compiled.oldest = (compiled.oldest + 1) % compiled.times.length;
    this.known.set(name, now);
  }

  private compiledOf(userId: string): Compiled {
    let compiled = this.accounts.get(userId);
    if (compiled === undefined) {
      compiled = { times: new Float64Array(this.env.GRAMMARS_PER_MINUTE).fill(-Infinity), oldest: 0 };
      this.accounts.set(userId, compiled);
    }
    return compiled;
  }
}

const tooManyGrammars = (seconds: number): ApiException =>
  new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message:
      'Too many different grammars this minute for your account: schemas and patterns of response_format, ' +
      `structured_outputs and tools that must be followed. Retry after ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  });
