import { Env } from '../../config/env';
import type { ApiException } from '../../common/api.exception';
import { GrammarLimit } from './grammar-limit';
import { grammarOf } from './grammars';
import { checkBody } from './request-intake';

const grammar = (fields: object, endpoint: 'chat_completions' | 'completions' = 'chat_completions') => {
  const content =
    endpoint === 'completions' ? { prompt: 'hi' } : { messages: [{ role: 'user', content: 'hi' }] };
  return grammarOf(checkBody(Buffer.from(JSON.stringify({ model: 'm', ...content, ...fields })), endpoint));
};
const tool = (name: string, more: object = {}, description = 'any') => ({
  type: 'function',
  function: { name, description, parameters: { type: 'object' }, ...more },
});
const form = (schema: object) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
});

describe('the grammar of a request', () => {
  it.each<[string, object]>([
    ['nothing', {}],
    ['no form', { response_format: null, structured_outputs: null, tools: null }],
    ['plain text', { response_format: { type: 'text' } }],
    ['any JSON', { response_format: { type: 'json_object' } }],
    ['tools', { tools: [tool('f')] }],
    ['tools that are not strict', { tools: [tool('f', { strict: false })], tool_choice: 'auto' }],
    ['tools that are not to be called', { tools: [tool('f', { strict: true })], tool_choice: 'none' }],
    ['a tool that is not there', { tools: [tool('f')], tool_choice: { function: { name: 'g' } } }],
    ['a tool without a function', { tools: [{ type: 'x' }], tool_choice: 'auto' }],
  ])('is none for %s', (_, fields) => {
    expect(grammar(fields)).toBeNull();
  });

  it.each<[string, object]>([
    ['a schema', form({})],
    ['tags', { response_format: { type: 'structural_tag', structures: [] } }],
    ['a form of no type', { response_format: {} }],
    ['a choice', { structured_outputs: { choice: ['a'] } }],
    ['a pattern', { structured_outputs: { regex: 'a' } }],
    ['a tool that must be called', { tools: [tool('f')], tool_choice: { function: { name: 'f' } } }],
    ['any tool that must be called', { tools: [tool('f')], tool_choice: 'required' }],
    ['strict tools', { tools: [tool('f', { strict: true })] }],
  ])('is there for %s', (_, fields) => {
    expect(grammar(fields)).toMatch(/^.{44}$/);
    expect(grammar({ ...fields, temperature: 1 })).toBe(grammar(fields));
  });

  it('is there for a completion, which has no tools', () => {
    expect(grammar({ structured_outputs: { regex: 'a' } }, 'completions')).not.toBeNull();
    expect(grammar({ tools: [tool('f')], tool_choice: 'required' }, 'completions')).toBeNull();
  });

  it('is another one for other bytes, and the same for a tool that is only described differently', () => {
    expect(grammar(form({ maxItems: 1 }))).not.toBe(grammar(form({ maxItems: 2 })));
    expect(grammar({ structured_outputs: { regex: 'a' } })).not.toBe(
      grammar({ response_format: { regex: 'a' } }),
    );
    const calls = (...tools: object[]) => grammar({ tools, tool_choice: 'required' });
    expect(calls(tool('f', {}, 'today is Monday'))).toBe(calls(tool('f', {}, 'today is Tuesday')));
    expect(calls(tool('f'))).not.toBe(calls(tool('g')));
    expect(calls(tool('f'))).not.toBe(calls(tool('f'), tool('g')));
    expect(calls(tool('f', { parameters: {} }))).not.toBe(calls(tool('f')));
  });
});

describe('the limit on grammars', () => {
  const limitOf = (amount: number) =>
    new GrammarLimit(Object.assign(new Env(), { GRAMMARS_PER_MINUTE: amount }));
  const refusal = (act: () => void): ApiException | null => {
    try {
      act();
      return null;
    } catch (error) {
      return error as ApiException;
    }
  };

  it('is on different ones within any minute, account by account', () => {
    const limit = limitOf(2);
    limit.count('ada', 'a', 1_000);
    limit.count('ada', 'b', 31_000);
    const refused = refusal(() => limit.count('ada', 'c', 32_000));
    expect([refused?.getStatus(), refused?.code, refused?.headers]).toEqual([
      429,
      'rate_limit_exceeded',
      { 'retry-after': '29' },
    ]);
    limit.count('bob', 'c', 32_000);
    // Known, and free of charge for a minute.
    limit.count('ada', 'a', 60_999);
    expect(refusal(() => limit.count('ada', 'c', 60_999))?.headers).toEqual({ 'retry-after': '1' });
    limit.count('ada', 'c', 61_000);
    expect(refusal(() => limit.count('ada', 'a', 61_001))?.headers).toEqual({ 'retry-after': '30' });
  });

  it('says nothing of requests without one, and is none when it is 0', () => {
    const limit = limitOf(1);
    const none = limitOf(0);
    for (let times = 0; times < 100; times += 1) {
      expect(refusal(() => limit.count('ada', null))).toBeNull();
      expect(refusal(() => none.count('ada', String(times)))).toBeNull();
    }
    expect(refusal(() => limit.count('ada', 'a'))).toBeNull();
  });
});
