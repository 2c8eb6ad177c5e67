import { cpuTime } from '../../../test/support/cpu-time';
import { slowness } from '../../../test/support/slowness';
import { repeatedBytes, repeatedToolBytes } from './repetitions';

const TOOL = { type: 'function', function: { name: 'look', description: 'and so on '.repeat(100) } };
const TOOLS = [TOOL, TOOL];
/** What a template writes of them at least. */
const WRITTEN = JSON.stringify(TOOLS).length;
const said = (content: unknown, role = 'user') => ({ role, content });

describe('what a template may write more often than it was sent', () => {
  it('is nothing of a chat with instructions, a question and tools', () => {
    const messages = [said('a', 'system'), said('b')];
    expect(repeatedBytes({ messages, tools: TOOLS })).toBe(0);
    expect(repeatedToolBytes({ messages, tools: TOOLS })).toBe(0);
    expect(repeatedToolBytes({ messages: [...messages, said('c')], tools: TOOLS })).toBe(0);
  });

  it.each([
    [
      'each further instruction',
      [said('a', 'system'), said('b', 'developer'), said('b'), said('c', 'system')],
    ],
    ['each question that is the last one', [said('go on'), said('b'), said('go on'), said('go on')]],
    ['the same in parts', [said([{ text: 'b' }]), said([{ text: 'b' }]), said('c'), said([{ text: 'b' }])]],
  ])('is all tools, and what introduces them, with %s', (_, messages) => {
    expect(repeatedToolBytes({ messages, tools: TOOLS })).toBeGreaterThan(2 * (WRITTEN + 280));
    expect(repeatedToolBytes({ messages, tools: TOOLS })).toBeLessThan(2 * (4 * WRITTEN + 1_000));
    expect(repeatedToolBytes({ messages })).toBe(0);
  });

  it('is no tools for questions of another kind than the last one', () => {
    const others = [said(null), said([]), said({}), said('[]'), said('null'), said(undefined)];
    for (const last of others) {
      const messages = [...others.filter((message) => message !== last), last];
      expect(repeatedToolBytes({ messages, tools: TOOLS })).toBe(0);
    }
  });

  it.each<[string, unknown]>([
    ['nothing', null],
    ['no parts', []],
    ['a part', [{ type: 'text', text: 'b' }]],
  ])('is found in no more time for a thousand questions of %s before a long one', (_, content) => {
    const questions = Array.from({ length: 1_000 }, () => said(content));
    const messages = [...questions, said([{ type: 'text', text: 'a'.repeat(1_000_000) }])];
    const took = cpuTime(() => repeatedToolBytes({ messages, tools: TOOLS }));
    // Written out once for each of them, the long one alone took seconds.
    expect(took).toBeLessThan(200 * slowness());
  });

  it('is what introduces tools, where messages have some of their own', () => {
    const messages = Array.from({ length: 3 }, () => ({
      ...said('a', 'developer'),
      tools: [{ function: 0 }],
    }));
    expect(repeatedToolBytes({ messages })).toBeGreaterThan(3 * 280);
  });

  it('is the name of each call, and what names each result', () => {
    const name = 'look'.repeat(100);
    const call = { role: 'assistant', tool_calls: [{ function: { name } }, { function: { name } }] };
    expect(repeatedBytes({ messages: [call] })).toBe(2 * name.length);
    const result = { role: 'tool', tool_call_id: 'x'.repeat(300), content: 'a' };
    expect(repeatedBytes({ messages: [call, result] })).toBe(4 * name.length + 300);
  });
});
