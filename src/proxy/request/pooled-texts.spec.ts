import { instructionTokens, pooledBytes, pooledTexts } from './pooled-texts';

const bytesOf = (endpoint: 'embeddings' | 'rerank' | 'score', fields: Record<string, unknown>) =>
  pooledBytes(pooledTexts(endpoint, fields));

describe('the most that vLLM reads of what it embeds or compares', () => {
  it('is a byte a token, and each id one', () => {
    expect(bytesOf('embeddings', { input: 'abc' })).toBe(3);
    expect(bytesOf('embeddings', { input: ['abc', 'é'] })).toBe(3 + 2);
    expect(bytesOf('embeddings', { input: [7, 8, 9] })).toBe(3);
    expect(bytesOf('embeddings', { input: [[7, 8], [9]] })).toBe(3);
  });

  it('has a query as often as there are documents, and pairs once each', () => {
    expect(bytesOf('rerank', { query: 'abcd', documents: ['x', 'yz'] })).toBe(4 * 2 + 3);
    expect(bytesOf('rerank', { query: 'abcd', documents: 'x' })).toBe(5);
    expect(bytesOf('score', { text_1: ['ab', 'c'], text_2: ['x', 'y'] })).toBe(5);
    expect(bytesOf('score', { queries: ['ab'], items: ['x', 'y', 'z'] })).toBe(2 * 3 + 3);
  });

  it('has room for what normalising may add, which is not tried out for texts that are too long together', () => {
    const ligature = '\uFDFA';
    expect(bytesOf('embeddings', { input: [ligature] })).toBe(Buffer.byteLength(ligature.normalize('NFKC')));
    const long = ligature.repeat(1_900_000);
    const startedAt = performance.now();
    const bytes = bytesOf('embeddings', { input: [long, long, long, 'ascii'] });
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(bytes).toBe(3 * 11 * Buffer.byteLength(long) + 5);
  });

  it('has instructions beside it, wherever they stand', () => {
    expect(instructionTokens({})).toBe(0);
    const one = instructionTokens({ instruction: 'a'.repeat(100) });
    expect(one).toBeGreaterThan(100);
    expect(
      instructionTokens({
        instruction: 'a'.repeat(100),
        chat_template_kwargs: { instruction: 'b'.repeat(100) },
      }),
    ).toBeGreaterThan(2 * 100);
  });
});
