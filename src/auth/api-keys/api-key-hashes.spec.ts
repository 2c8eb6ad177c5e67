import { ApiKeyHashes } from './api-key-hashes';
import { apiKeyHash, mintApiKey } from './api-key-token';

describe('ApiKeyHashes', () => {
  it('says of a key what is stored of it, the first time and later', () => {
    const hashes = new ApiKeyHashes('pepper');
    const keys = [mintApiKey(), mintApiKey()];
    const stored = keys.map((key) => apiKeyHash('pepper', key).toString('hex'));
    expect([...keys, ...keys].map((key) => hashes.of(key))).toEqual([...stored, ...stored]);
  });

  it('does not take a mistyped key for one, however often it comes', () => {
    const hashes = new ApiKeyHashes('pepper');
    const key = mintApiKey();
    hashes.of(key);
    const mistyped = key.slice(0, 10) + (key[10] === 'a' ? 'b' : 'a') + key.slice(11);
    expect([mistyped, mistyped, '', 'llmk_'].map((text) => hashes.of(text))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});
