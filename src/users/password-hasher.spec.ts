import * as argon2 from 'argon2';
import { PasswordHasher } from './password-hasher';

describe('PasswordHasher', () => {
  const hasher = new PasswordHasher();

  it('makes argon2id hashes with at least the recommended cost', async () => {
    expect(await hasher.hash('quiet lantern')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('never matches when there is no hash, at the price of a real check', async () => {
    expect(await hasher.verify(null, 'anything')).toBe(false);
  });

  it('tells hashes made with weaker parameters', async () => {
    const weak = await argon2.hash('quiet lantern', { memoryCost: 8_192, timeCost: 2, parallelism: 1 });
    expect(hasher.isOutdated(weak)).toBe(true);
    expect(hasher.isOutdated(await hasher.hash('quiet lantern'))).toBe(false);
  });

  it('answers 503 with Retry-After beyond 2 in flight and 32 waiting, and recovers', async () => {
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => hasher.hash('quiet lantern')));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]).toMatchObject({ reason: { status: 503, headers: { 'retry-after': '2' } } });
    await expect(hasher.hash('quiet lantern')).resolves.toMatch(/^\$argon2id/);
  });
});
