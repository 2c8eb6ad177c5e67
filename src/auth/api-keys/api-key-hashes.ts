import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { apiKeyHash, isApiKey } from './api-key-token';

const MAX_REMEMBERED = 10_000;

/**
 * What is stored of keys seen lately, as hex. Remembered by a plain hash of the key, never the key itself: that costs a
 * fraction of the HMAC and the checksum.
 */
export class ApiKeyHashes {
  private readonly remembered = new LRUCache<string, string>({ max: MAX_REMEMBERED });

  constructor(private readonly pepper: string) {}

  /** Null for a mistyped or made-up key. */
  of(key: string): string | null {
    const name = hash('sha256', key);
    const known = this.remembered.get(name);
    if (known !== undefined) return known;
    if (!isApiKey(key)) return null;
    const hex = apiKeyHash(this.pepper, key).toString('hex');
    this.remembered.set(name, hex);
    return hex;
  }
}
