import { PrefixCache } from './prefix-cache';

const tokens = (count: number, first = 'a') =>
  Array.from({ length: count }, (_, at) => (at === 0 ? first : String(at)));

describe('PrefixCache', () => {
  it('finds nothing the first time and whole blocks of 16 the next', () => {
    const cache = new PrefixCache();
    expect(cache.lookUp(tokens(40), '')).toBe(0);
    expect(cache.lookUp(tokens(40), '')).toBe(32);
  });

  it('always computes at least one token', () => {
    const cache = new PrefixCache();
    cache.lookUp(tokens(32), '');
    expect(cache.lookUp(tokens(32), '')).toBe(16);
  });

  it('shares a beginning but nothing after the first difference', () => {
    const cache = new PrefixCache();
    cache.lookUp(tokens(64), '');
    expect(cache.lookUp([...tokens(20), 'x', ...tokens(43)], '')).toBe(16);
    expect(cache.lookUp(tokens(64, 'b'), '')).toBe(0);
  });

  it('shares nothing between salts', () => {
    const cache = new PrefixCache();
    cache.lookUp(tokens(64), 'one');
    expect(cache.lookUp(tokens(64), 'two')).toBe(0);
    expect(cache.lookUp(tokens(64), 'one')).toBe(48);
  });
});
