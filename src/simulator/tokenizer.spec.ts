import { tokenId, tokenize, VOCABULARY } from './tokenizer';

describe('tokenize', () => {
  const texts = [
    'Hello world, this costs 1234567 tokens!',
    ' leading  and   trailing \n\n white\tspace ',
    'Grüße, 世界! Привет мир 🙂🙂🙂',
    'a'.repeat(1_000),
    '{"a":[1,2,{"b":null}]}',
    'half a pair: \ud800 and a NUL: \0',
    '',
  ];

  it.each(texts)('gives the text back when its tokens are joined: %j', (text) => {
    expect(tokenize(text).join('')).toBe(text);
  });

  it('never makes a token without a byte, so a text has at most as many tokens as bytes', () => {
    for (const text of texts)
      for (const token of tokenize(text)) expect(Buffer.byteLength(token)).toBeGreaterThan(0);
  });

  it('gives a token the same id each time, below the size of the vocabulary', () => {
    const ids = tokenize(texts.join(' ')).map(tokenId);
    expect(tokenize(texts.join(' ')).map(tokenId)).toEqual(ids);
    expect(Math.max(...ids)).toBeLessThan(VOCABULARY);
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(0);
  });
});
