import { duplicateKey } from './json-duplicates';
import { topLevelMembers } from './json-members';

const parsed = (text: string) => JSON.parse(text) as Record<string, unknown>;
const duplicateIn = (text: string) => {
  const json = Buffer.from(text);
  return duplicateKey(json, topLevelMembers(json, 64), parsed(text));
};

describe('a key that stands twice', () => {
  it.each([
    ['n', '{"n":1,"\\u006e":2}'],
    ['', '{"":1,"":2}'],
    ['__proto__', '{"__proto__":{},"__proto__":{}}'],
    ['a.__proto__', '{"a":{"__proto__":1,"b":2,"__proto__":3}}'],
    ['a.b', '{"a":{"b":{"c":1,"d":2},"b":{"c":1,"d":2}}}'],
    ['a[2].\u{1f600}', '{"a":[1,"b",{"\u{1f600}":1,"\\ud83d\\ude00":2}]}'],
    ['a.b[1][0].c', ' { "a" : { "b" : [ 1.5e3 , [ { "c" : null , "c" : "}" } ] ] } } '],
    ['b.1', '{"a":{"1":1,"2":{"1":1}},"b":{"1":true,"2":false,"1":null}}'],
    ['a."', '{"a":{"\\"":1,"\\u0022":2}}'],
  ])('is found and named: %s', (path, text) => {
    expect(duplicateIn(text)).toEqual({ path, isInside: false });
  });

  it.each([
    '{"n":1,"m":{"n":2},"o":[{"n":1},{"n":2}]}',
    '{"a":"{\\"b\\":1,\\"b\\":2}","c":{"d":"e:f,\\"d\\":"}}',
    '{"constructor":{"prototype":{"constructor":1}},"__proto__":{"__proto__":{"toString":1}},"length":[{"length":1}]}',
    '{"a":{"1":1,"01":1,"1.0":1,"A":1,"a":1,"\\ud800":1,"\\ud801":1},"A":{}}',
    '{}',
  ])('is no other one: %s', (text) => {
    expect(duplicateIn(text)).toBeNull();
  });

  it('is named in no more words than an answer bears', () => {
    const key = 'k'.repeat(100_000);
    expect(duplicateIn(`{"${key}":1,"${key}":2}`)?.path).toHaveLength(200);
    expect(duplicateIn(`{"a":{"${key}":1,"${key}":2}}`)?.path).toHaveLength(200);
  });

  it('is not looked for where that would take long', () => {
    const many = Array.from({ length: 100_000 }, (_, index) => `"key ${index}":1`).join();
    expect(duplicateIn(`{"a":1,"b":{${many}}}`)).toBeNull();
    expect(duplicateIn(`{"a":1,"b":{${many},"key 7":1}}`)).toEqual({ path: 'b', isInside: true });
  });

  it('is found in random documents whenever one was put there', () => {
    let seed = 11;
    const random = (n: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % n;
    const keys = ['a', 'b:', '"', '\\', '1', '__proto__', '\u{1f600}', 'constructor'];
    let twice = false;
    const written = (key: string) =>
      random(3) === 0
        ? `"${[...key].map((letter) => (letter.length === 1 ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` : letter)).join('')}"`
        : JSON.stringify(key);
    const object = (depth: number): string => {
      const used = keys.filter(() => random(3) === 0);
      if (random(20) === 0 && used[0] !== undefined) {
        used.push(used[0]);
        twice = true;
      }
      return `{${used.map((key) => `${written(key)}: ${value(depth + 1)}`).join(' ,')}}`;
    };
    const value = (depth: number): string => {
      const kind = random(depth > 3 ? 4 : 6);
      if (kind === 0) return String(random(1_000) / 7);
      if (kind < 3) return JSON.stringify(['a":1', '{"a":1,"a":2}', ':', '\\'][random(4)]);
      if (kind === 3) return 'null';
      return kind === 4
        ? `[${Array.from({ length: random(4) }, () => value(depth + 1)).join(', ')}]`
        : object(depth);
    };
    let found = 0;
    for (let round = 0; round < 2_000; round += 1) {
      twice = false;
      const text = object(0);
      expect([text, duplicateIn(`{"v":[${text}]}`) !== null]).toEqual([text, twice]);
      if (twice) found += 1;
    }
    expect(found).toBeGreaterThan(200);
    expect(found).toBeLessThan(1_800);
  });
});
