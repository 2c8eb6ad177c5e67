import { cpuTime } from '../../../test/support/cpu-time';
import { slowness } from '../../../test/support/slowness';
import { refuseHeavyJson } from './json-weight';
import { checkBody } from './request-intake';

const MIB = 1_024 * 1_024;
const chatOf = (content: string) =>
  Buffer.from(`{"model":"m","messages":[{"role":"user","content":[${content}]}]}`);
const fill = (item: string) =>
  Array(Math.floor((32 * MIB) / (item.length + 1)))
    .fill(item)
    .join(',');

describe('a body that would be heavy once it is parsed', () => {
  // Parsed, the empty objects alone stopped the process for ten seconds.
  it.each<[string, Buffer, RegExp?]>([
    ['empty objects', chatOf(fill('{}'))],
    ['empty lists', Buffer.from(`{"unknown":[${fill('[]')}]}`)],
    ['members', chatOf(fill('{"abc":1}'))],
    ['members of one object', Buffer.from(`{"unknown":{${fill('"abc":1')}}}`), /^An object/],
    ['texts', chatOf(fill('""'))],
    ['numbers', Buffer.from(`{"prompt":[${fill('1')}]}`)],
    ['levels', Buffer.from('['.repeat(32 * MIB)), /deeper/],
    ['no end', chatOf('"a,'.repeat(MIB)), /not valid JSON/],
  ])('is refused for its %s before it is parsed', (_, body, why = /holds more/) => {
    const refuse = () => checkBody(body, 'chat_completions');
    expect(cpuTime(() => expect(refuse).toThrow(why))).toBeLessThan(1_000 * slowness());
  });

  it.each([
    ['a long text', `"content":${JSON.stringify('say "a, b" and [c]{d}: \\ '.repeat(MIB))}`],
    ['a long list of token ids', `"prompt":[${Array(1_900_000).fill('12').join(',')}]`],
    ['a schema of many fields', `"tools":[{${Array(30_000).fill('"a":{}').join(',')}}]`],
    [
      'many messages',
      `"messages":[${Array(10_000).fill('{"role":"user","content":[{"text":"a"},{"text":"b"}]}').join(',')}]`,
    ],
  ])('is none with %s', (_, members) => {
    expect(() => refuseHeavyJson(Buffer.from(`{${members}}`))).not.toThrow();
  });
});
