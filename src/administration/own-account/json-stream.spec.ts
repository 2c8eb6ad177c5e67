import { jsonObject } from './json-stream';

async function* pages(...of: unknown[][]) {
  yield* of;
}

const textOf = async (lists: Parameters<typeof jsonObject>[1]) => {
  let text = '';
  for await (const part of jsonObject({ name: '"Ada"' }, lists)) text += part;
  return text;
};

describe('a JSON object as a stream', () => {
  it('is what JSON.parse reads, however its lists are cut into pages', async () => {
    const lists = { empty: pages(), one: pages([1]), many: pages([{ a: 1 }], [], [null, 'x']) };
    expect(JSON.parse(await textOf(lists))).toEqual({
      name: '"Ada"',
      empty: [],
      one: [1],
      many: [{ a: 1 }, null, 'x'],
    });
  });

  it('reads no list before the one in front of it has been taken', async () => {
    const begun: string[] = [];
    async function* noted(name: string) {
      begun.push(name);
      yield [1];
    }
    const parts = jsonObject({ id: 1 }, { first: noted('first'), second: noted('second') });
    for (let i = 0; i < 3; i += 1) await parts.next();
    expect(begun).toEqual(['first']);
  });
});
