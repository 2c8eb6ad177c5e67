import { cpuTime } from '../../../test/support/cpu-time';
import { slowness } from '../../../test/support/slowness';
import { promptBytes } from './prompt-bytes';
import { checkBody } from './request-intake';

const boundOf = (fields: object | string): { sent: number; bound: number } => {
  const text = typeof fields === 'string' ? fields : JSON.stringify(fields);
  const body = checkBody(Buffer.from(text), 'chat_completions');
  return { sent: Buffer.byteLength(text), bound: promptBytes(body) };
};
const chat = (content: string, more = '') =>
  `{"model":"m","messages":[{"role":"user","content":"${content}"}]${more}}`;
const withTool = (schema: string) =>
  chat('hi', `,"tools":[{"type":"function","function":{"name":"f","parameters":${schema}}}]`);

describe('The bytes of a prompt', () => {
  it('are those that were sent, where vLLM gets to see nothing else', () => {
    const { sent, bound } = boundOf(chat('[1e15, {a: 2}] is plain text here, 1:1'));
    expect(bound).toBe(sent);
  });

  // What Python's json.dumps makes of them, with an indent of four where a template asks for it.
  it.each([
    ['numbers with an exponent', Array(500).fill('1e15'), Array(500).fill('1000000000000000.0')],
    ['large ones', Array(500).fill('9e20'), Array(500).fill('900000000000000000000')],
    ['small integers', Array(500).fill('1'), Array(500).fill('1')],
    ['empty objects', Array(500).fill('{}'), Array(500).fill('{}')],
  ])('leave room for %s of tools, written anew with spaces', (_, sent, rendered) => {
    const { bound } = boundOf(withTool(`{"enum":[${sent.join(',')}]}`));
    expect(bound).toBeGreaterThan(`[${rendered.join(', ')}]`.length);
    // Line breaks and what they are indented by are two tokens at most.
    expect(bound).toBeGreaterThan(rendered.join('').length + 3 * rendered.length);
  });

  it.each(['é', '日', '\u{1f600}'])('leave room for %s of tools, written as an escape', (character) => {
    const { bound } = boundOf(withTool(`{"description":"${character.repeat(500)}"}`));
    expect(bound).toBeGreaterThan(500 * '\\u00e9'.length * character.length);
  });

  it.each([
    'tools',
    'tool_choice',
    'documents',
    'response_format',
    'chat_template_kwargs',
    'messages',
    'developer',
  ])('know what is written of %s', (field) => {
    const numbers = `[${Array(200).fill('1e15').join(',')}]`;
    const bodies: Record<string, string> = {
      tools: withTool(`{"enum":${numbers}}`),
      tool_choice: chat('hi', `,"tool_choice":{"function":{"name":${numbers}}}`),
      response_format: chat('hi', `,"response_format":{"enum":${numbers}}`),
      documents: chat('hi', `,"documents":[{"text":${numbers}}]`),
      chat_template_kwargs: chat('hi', `,"chat_template_kwargs":{"documents":${numbers}}`),
      messages: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function",
        "function":{"name":"f","arguments":"{\\"a\\":${numbers}}"}}]}]}`,
      developer: `{"model":"m","messages":[{"role":"developer","tools":[{"enum":${numbers}}]}]}`,
    };
    expect(boundOf(bodies[field] as string).bound).toBeGreaterThan(200 * '1000000000000000.0, '.length);
  });

  // A tokenizer may make a token of each digit: vLLM's templates for Hermes and Qwen3-Coder came to 2.7 and 1.8 times a limit.
  it.each([
    ['names of properties three times', (name: string) => `{"properties":{"${name}":{"type":"string"}}}`, 3],
    ['keys of a schema twice', (key: string) => `{"properties":{},"${key}":1}`, 2],
  ])('leave room for templates that write %s', (_, schemaOf, times) => {
    const digits = '0123456789'.repeat(1_500);
    expect(boundOf(withTool(schemaOf(digits))).bound).toBeGreaterThan(times * digits.length);
    const own = `{"model":"m","messages":[{"role":"developer","tools":[{"function":{"parameters":${schemaOf(digits)}}}]}]}`;
    expect(boundOf(own).bound).toBeGreaterThan(times * digits.length);
  });

  it('count what a tool says of itself once', () => {
    const described = (description: string) =>
      boundOf(
        chat('hi', `,"tools":[{"type":"function","function":{"name":"f","description":"${description}"}}]`),
      );
    const [short, long] = [described(''), described('x'.repeat(5_000))];
    expect(long.bound - short.bound).toBe(5_000);
    // As it is when it is escaped, and no more is taken off than there is.
    expect(described('\\u0061'.repeat(100)).bound).toBeGreaterThan(short.bound + 100);
  });

  it.each([
    ['text', (args: object): unknown => JSON.stringify(args)],
    ['an object', (args: object): unknown => args],
  ])('leave room for what DeepSeek writes around each argument of a call that is %s', (_, written) => {
    const args = Object.fromEntries(Array.from({ length: 3_900 }, (_, n) => [n.toString(36), 0]));
    const call = { id: '1', type: 'function', function: { name: 'f', arguments: written(args) } };
    const { bound } = boundOf({ model: 'm', messages: [{ role: 'assistant', tool_calls: [call] }] });
    // Counted with its tokenizer.
    expect(bound).toBeGreaterThan(64_900);
  });

  it.each([
    ['NFC makes three times as long', '\u{1D160}', 3],
    ['NFKC makes eleven times as long', '\uFDFA', 11],
  ])('leave room for text that %s', (_, character, times) => {
    const text = character.repeat(300);
    const growth = (times - 1) * Buffer.byteLength(text);
    const { sent, bound } = boundOf(chat(text));
    expect(bound).toBe(sent + growth);
    const escaped = JSON.stringify(text).replaceAll(
      /[^"]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    expect(boundOf(chat(escaped.slice(1, -1))).bound).toBeGreaterThanOrEqual(times * Buffer.byteLength(text));
  });

  // Marks are put in order one by one: half a megabyte of them in the wrong order took half a minute.
  it.each([
    ['marks', '\u0315\u0300'],
    ['marks beyond the first plane', '\u{1D16D}\u{1D165}'],
    ['signs that become marks', '\u0300\uFF9E'],
    ['marks as escapes', '\\u0315\\u0300'],
  ])('are bounded in no time for a long row of %s', (_, pair) => {
    const text = chat(`a${pair.repeat(500_000 / pair.length)}`);
    const took = cpuTime(() => {
      const { sent, bound } = boundOf(text);
      expect(bound).toBeGreaterThan(sent);
    });
    expect(took).toBeLessThan(2_000 * slowness());
  });

  it('are exact where each letter has many marks', () => {
    const { sent, bound } = boundOf(chat(`a${'\u0301\u0315'.repeat(15)}`.repeat(100)));
    expect(bound).toBe(sent);
  });

  it('are not more for text that normalising makes shorter', () => {
    const { sent, bound } = boundOf(chat('e\u0301ﬃ日本'.repeat(100)));
    expect(bound).toBe(sent);
  });
});
