import { crc32 } from 'node:zlib';
import { apiKeyHash, apiKeyHint, isApiKey, looksLikeApiKey, mintApiKey } from './api-key-token';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function fromBase62(text: string): bigint {
  return [...text].reduce((sum, character) => sum * 62n + BigInt(ALPHABET.indexOf(character)), 0n);
}

describe('API key tokens', () => {
  it('are 10,000 times unique, of one form, and valid', () => {
    const keys = Array.from({ length: 10_000 }, mintApiKey);
    expect(new Set(keys).size).toBe(10_000);
    expect(keys.filter((key) => !/^llmk_[0-9A-Za-z]{49}$/.test(key) || !isApiKey(key))).toEqual([]);
  });

  it('carry 256 random bits and their CRC-32', () => {
    const keys = Array.from({ length: 1_000 }, mintApiKey);
    const secrets = keys.map((key) => key.slice(5, 48));
    expect(keys.every((key, i) => fromBase62(key.slice(48)) === BigInt(crc32(secrets[i] ?? '')))).toBe(true);
    const numbers = secrets.map(fromBase62);
    expect(numbers.every((number) => number < 2n ** 256n)).toBe(true);
    // Of a thousand fair 256-bit numbers some have the top bit set; none would if bits were lost.
    expect(numbers.some((number) => number >= 2n ** 255n)).toBe(true);
  });

  it('are refused when a character is changed, added or lost', () => {
    const key = mintApiKey();
    const other = key[10] === 'a' ? 'b' : 'a';
    expect(isApiKey(key.slice(0, 10) + other + key.slice(11))).toBe(false);
    expect(isApiKey(`${key}0`)).toBe(false);
    expect(isApiKey(key.slice(0, -1))).toBe(false);
    expect(isApiKey(`${key}\n`)).toBe(false);
    expect(isApiKey('')).toBe(false);
  });

  it('are recognised as meant for us even when they are wrong', () => {
    expect(looksLikeApiKey('llmk_nonsense')).toBe(true);
    expect(looksLikeApiKey('sk-123')).toBe(false);
  });

  it('are stored under a secret pepper, and shown by their ends only', () => {
    const key = mintApiKey();
    expect(apiKeyHash('pepper one', key)).not.toEqual(apiKeyHash('pepper two', key));
    expect(apiKeyHint(key)).toEqual({ prefix: key.slice(0, 8), lastFour: key.slice(-4) });
  });
});
