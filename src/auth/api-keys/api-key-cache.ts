import { LRUCache } from 'lru-cache';
import type { Principal } from '../../common/principal';

/**
 * How long an answer of the database is believed. Revoking a key on another replica works within this time, so it
 * stays below the promised 5 seconds by the time a look-up may take.
 */
const BELIEVED_MS = 4_000;
/** How often the caches look at the clock: each look sets a timer. Milliseconds. */
const CLOCK_MS = 100;
const MAX_KNOWN = 10_000;
const MAX_UNKNOWN = 10_000;
const LASTING = { ttl: BELIEVED_MS, ttlResolution: CLOCK_MS };

interface KnownKey {
  readonly principal: Principal;
  /** performance.now() from which the key has expired. */
  readonly expiresAt: number;
}

/** Answers for keys seen lately, by the full hash of the key. Made-up keys cannot push real ones out. */
export class ApiKeyCache {
  private readonly known = new LRUCache<string, KnownKey>({ max: MAX_KNOWN, ...LASTING });
  private readonly unknown = new LRUCache<string, true>({ max: MAX_UNKNOWN, ...LASTING });
  private readonly forgottenAt = new LRUCache<string, number>({ max: MAX_KNOWN, ...LASTING });

  /** The principal, null for a key known to be invalid, undefined when the database has to be asked. */
  get(hash: string): Principal | null | undefined {
    const entry = this.known.get(hash);
    if (entry) return entry.expiresAt > performance.now() ? entry.principal : null;
    return this.unknown.has(hash) ? null : undefined;
  }

  /** @param askedAt performance.now() before the look-up: an answer is as old as its question. */
  remember(hash: string, answer: KnownKey | null, askedAt: number): void {
    if (askedAt <= (this.forgottenAt.get(hash) ?? -Infinity)) return;
    if (answer) this.known.set(hash, answer, { start: askedAt });
    else this.unknown.set(hash, true, { start: askedAt });
  }

  /** What was known of a key no longer holds, nor does what a look-up under way will answer. */
  forget(hash: string): void {
    this.known.delete(hash);
    this.unknown.delete(hash);
    this.forgottenAt.set(hash, performance.now());
  }
}
