import { publicNames } from './public-names';

const namesOf = (served: string[], taken: Record<string, string> = {}) => [
  ...publicNames(served, new Map(Object.entries(taken))).values(),
];

describe('the public name of a model that is served under a path', () => {
  it.each([
    ['/models/Qwen3-8B', 'Qwen3-8B'],
    ['/models/Qwen3-8B//', 'Qwen3-8B'],
    ['./Qwen3-8B', 'Qwen3-8B'],
    ['../models/Qwen3-8B', 'Qwen3-8B'],
    ['~/Qwen3-8B', 'Qwen3-8B'],
    ['C:\\models\\Qwen3-8B', 'Qwen3-8B'],
    ['/home/ada/.cache/huggingface/hub/models--Qwen--Qwen3-8B/snapshots/9c92', 'Qwen/Qwen3-8B'],
    ['/', 'local/model'],
  ])('is its last segment, or that of the cache: %s', (path, name) => {
    expect(namesOf([path])).toEqual([name]);
  });

  it.each(['Qwen/Qwen3-8B', 'opencode-llm', 'models/Qwen3-8B'])('is its own for %s, which is none', (id) => {
    expect(namesOf([id])).toEqual([]);
  });

  it('has as many segments as it takes to be the name of no other', () => {
    expect(namesOf(['/a/fast/llm', '/a/good/llm'])).toEqual(['fast/llm', 'good/llm']);
    expect(namesOf(['/a/llm', 'llm'])).toEqual(['a/llm']);
    expect(namesOf(['/a/llm', '/b/a/llm'])).toEqual(['local/a/llm', 'b/a/llm']);
    expect(namesOf(['/a/llm', 'llm', 'a/llm'])).toEqual(['local/a/llm']);
  });

  it('is one for each, however little their paths differ', () => {
    expect(namesOf(['/models/llm', '/models/llm/', '/models//llm'])).toEqual([
      'local/models/llm',
      'local/models/llm~2',
      'local/models/llm~3',
    ]);
  });

  it('is found for thousands as quickly as for a few', () => {
    const paths = Array.from({ length: 5_000 }, (_, index) => `/models/of/many/${index}/llm`);
    const startedAt = performance.now();
    expect(new Set(namesOf(paths)).size).toBe(5_000);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('is not that of an alias, unless the alias stands for it', () => {
    expect(namesOf(['/a/llm', 'other'], { llm: 'other' })).toEqual(['a/llm']);
    expect(namesOf(['/a/llm'], { llm: '/a/llm' })).toEqual(['llm']);
  });
});
