import { JsonTooDeepError, topLevelMembers, withEdits } from './json-members';

const members = (text: string) => topLevelMembers(Buffer.from(text), 64);
const edit = (text: string, edits: Record<string, string | null>) =>
  withEdits(Buffer.from(text), members(text), new Map(Object.entries(edits))).toString();

describe('json members', () => {
  it('finds every top-level member whatever its value holds', () => {
    const text =
      ' {"a" : "x\\"},{\\\\" , "b":[1,{"c":"]"}],\n"d":-1.5e3,"e":true,"f":{"a":{}},"g":null, "\\u00e9":"é" } ';
    const found = members(text).map(({ key, valueStart, end }) => [
      key,
      JSON.parse(Buffer.from(text).toString('utf8', valueStart, end)),
    ]);
    expect(Object.fromEntries(found)).toEqual(JSON.parse(text));
  });

  it('agrees with JSON.parse on random documents', () => {
    let seed = 7;
    const random = (n: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % n;
    const value = (depth: number): unknown => {
      const kind = random(depth > 3 ? 4 : 6);
      if (kind === 0) return random(1_000_000) / 7;
      if (kind === 1)
        return ['"', '\\', '{', ']}', 'é😀', '\n', ''].map((part) => part.repeat(random(3))).join('');
      if (kind === 2) return null;
      if (kind === 3) return random(2) === 0;
      if (kind === 4) return Array.from({ length: random(4) }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length: random(4) }, (_, i) => [`k${i}"\\`, value(depth + 1)]));
    };
    for (let round = 0; round < 500; round += 1) {
      const document = Object.fromEntries(
        Array.from({ length: random(6) }, (_, i) => [`key ${i}`, value(0)]),
      );
      const text = JSON.stringify(document, null, random(3));
      const bytes = Buffer.from(text);
      const found = topLevelMembers(bytes, 64).map((m) => [
        m.key,
        JSON.parse(bytes.toString('utf8', m.valueStart, m.end)),
      ]);
      expect(Object.fromEntries(found)).toEqual(document);
      expect(
        JSON.parse(withEdits(bytes, topLevelMembers(bytes, 64), new Map([['key 0', '1']])).toString()),
      ).toEqual({
        ...document,
        'key 0': 1,
      });
    }
  });

  it('counts the keys inside of each value, and takes no colon of a text for one', () => {
    const text = '{"a":1,"b":"x:y","c":{"d":[{"e:":":"},{"__proto__":{}}],"\\":":0},"f":[":"],"g":{}}';
    expect(members(text).map(({ keysInside }) => keysInside)).toEqual([0, 0, 4, 0, 0]);
  });

  it('replaces, removes and adds values and leaves every other byte alone', () => {
    expect(edit('{"model":"a", "n": 1.50 ,"x":[ 1 ]}', { model: '"b"', n: null, y: 'true' })).toBe(
      '{"model":"b","x":[ 1 ],"y":true}',
    );
    expect(edit('{}', { a: '1' })).toBe('{"a":1}');
    expect(edit('{"a":1}', { a: null })).toBe('{}');
  });

  it('refuses values that nest too deep', () => {
    const deep = `{"a":${'['.repeat(65)}${']'.repeat(65)}}`;
    expect(() => members(deep)).toThrow(JsonTooDeepError);
  });
});
