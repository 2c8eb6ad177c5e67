import type { Principal } from '../../common/principal';
import { ApiKeyCache } from './api-key-cache';

const principal: Principal = { userId: 'u', username: 'ada', role: 'user', via: 'api_key', apiKeyId: 'k' };

describe('ApiKeyCache', () => {
  it('knows valid and invalid keys, and says when it does not know', () => {
    const cache = new ApiKeyCache();
    cache.remember('valid', { principal, expiresAt: Infinity }, performance.now());
    cache.remember('invalid', null, performance.now());
    expect([cache.get('valid'), cache.get('invalid'), cache.get('other')]).toEqual([
      principal,
      null,
      undefined,
    ]);
  });

  it('believes no answer for 5 seconds', () => {
    const cache = new ApiKeyCache();
    cache.remember('valid', { principal, expiresAt: Infinity }, performance.now() - 4_900);
    cache.remember('invalid', null, performance.now() - 4_900);
    expect([cache.get('valid'), cache.get('invalid')]).toEqual([undefined, undefined]);
  });

  it('refuses an expired key at once', () => {
    const cache = new ApiKeyCache();
    cache.remember('expired', { principal, expiresAt: performance.now() - 1 }, performance.now());
    expect(cache.get('expired')).toBeNull();
  });

  it('forgets a key that has changed, whatever it knew of it', () => {
    const cache = new ApiKeyCache();
    cache.remember('valid', { principal, expiresAt: Infinity }, performance.now());
    cache.remember('expired', null, performance.now());
    cache.forget('valid');
    cache.forget('expired');
    expect([cache.get('valid'), cache.get('expired')]).toEqual([undefined, undefined]);
  });

  it('believes no answer to a question that is older than the change', () => {
    const cache = new ApiKeyCache();
    const askedAt = performance.now();
    cache.forget('valid');
    cache.remember('valid', { principal, expiresAt: Infinity }, askedAt);
    expect(cache.get('valid')).toBeUndefined();
    cache.remember('valid', { principal, expiresAt: Infinity }, performance.now() + 1);
    expect(cache.get('valid')).toEqual(principal);
  });
});
