import { cpuTime } from '../../../test/support/cpu-time';
import { slowness } from '../../../test/support/slowness';
import { outputBudget } from './output-budget';
import { leastPromptTokens } from './prompt-guess';
import { ProxiedCall } from './proxied-call';
import { checkBody } from './request-intake';

const MODEL = { id: 'public', servedName: 'served', window: 32_768, created: 0, servers: [] };

function leastOf(body: string | object, endpoint: 'chat_completions' | 'completions' = 'chat_completions') {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const call = new ProxiedCall(checkBody(bytes, endpoint), MODEL, 'salt', 0, 0);
  const sent = call.encode(outputBudget(call.outputQuestion(call.promptBound)));
  return leastPromptTokens(sent, call.promptPart);
}
const chat = (content: unknown, more: object = {}) => ({
  model: 'public',
  messages: [{ role: 'user', content }],
  ...more,
});
const escaped = (text: string) =>
  text.replaceAll(/./gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

describe('what a prompt has at least', () => {
  it.each([
    [
      'English',
      'Prompts of which nobody has told are taken for a part of what they are, but for most of it. ',
    ],
    ['code', 'export function sum(values) {\n  return values.reduce((a, b) => a + b, 0);\n}\n'],
    ['Russian', 'Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива. '],
    ['Chinese', '学而时习之，不亦说乎？有朋自远方来，不亦乐乎？'],
  ])('is a token for eight characters, in any script: %s', (_, text) => {
    const long = text.repeat(50);
    for (const least of [leastOf(chat(long)), leastOf({ model: 'public', prompt: long }, 'completions')]) {
      expect(least).toBeGreaterThan(long.length / 8 - 1);
      // Marks and line ends are written as two.
      expect(least).toBeLessThan(long.length / 7);
    }
  });

  it('is the same of a text that is written with escapes', () => {
    const text = 'Все счастливые семьи похожи'.repeat(20);
    const written = JSON.stringify(chat('TEXT')).replace('TEXT', escaped(text));
    expect(leastOf(written)).toBe(leastOf(chat(text)));
  });

  it('has tools in it, unless none may be called, and no field that is no part of it', () => {
    const tools = [{ type: 'function', function: { name: 'f', description: 'x'.repeat(800) } }];
    const alone = leastOf(chat('hi'));
    expect(leastOf(chat('hi', { tools }))).toBeGreaterThan(alone + 100);
    expect(leastOf(chat('hi', { tools, tool_choice: 'none' }))).toBe(alone);
    expect(leastOf(chat('hi', { prompt: 'x'.repeat(800), metadata: 'x'.repeat(800), user: 'ada' }))).toBe(
      alone,
    );
    expect(alone).toBeLessThan(10);
  });

  it('is no more than vLLM keeps of it', () => {
    const prompt = ['a text '.repeat(1_000), 'a text '.repeat(1_000)];
    const body = { model: 'public', prompt, truncate_prompt_tokens: 20 };
    expect(leastOf(body, 'completions')).toBe(40);
    expect(leastOf({ ...body, truncate_prompt_tokens: -1 }, 'completions')).toBeGreaterThan(1_000);
  });

  it('is nothing where it holds media', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(8_000)}` } };
    expect(leastOf(chat([{ type: 'text', text: 'what is this?' }, image]))).toBe(0);
  });

  it('is found in no time in the largest body', () => {
    const long = 'a \\ "quoted" text: é\n'.repeat(1_000_000);
    const body = Buffer.from(JSON.stringify(chat(long)));
    const took = cpuTime(() =>
      expect(leastPromptTokens(body, { bytes: body.length, most: Infinity })).toBeGreaterThan(1_000_000),
    );
    expect(took).toBeLessThan(2_000 * slowness());
  });
});
