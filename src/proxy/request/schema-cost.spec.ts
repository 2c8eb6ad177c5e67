import type { ApiException } from '../../common/api.exception';
import { checkBody } from './request-intake';

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

describe('a schema, pattern or grammar that would hold up vLLM', () => {
  it.each([
    // Each took xgrammar 0.2.9 from 2 to 45 s.
    [{ structured_outputs: { regex: 'a?'.repeat(16_000) } }, 'structured_outputs'],
    [{ structured_outputs: { grammar: `root ::= ${'"a"? '.repeat(6_000)}` } }, 'structured_outputs'],
    [
      {
        response_format: { type: 'structural_tag', format: { grammar: `root ::= ${'"a"? '.repeat(6_000)}` } },
      },
      'response_format',
    ],
    [
      { structured_outputs: { structural_tag: JSON.stringify({ pattern: 'a{1,20000}' }) } },
      'structured_outputs',
    ],
    [{ structured_outputs: { json: { pattern: '[a-z]?'.repeat(2_000) } } }, 'structured_outputs'],
    [{ response_format: { json_schema: { schema: { pattern: 'a?'.repeat(4_000) } } } }, 'response_format'],
    [{ response_format: { json_schema: { schema: { pattern: '(a|)'.repeat(4_000) } } } }, 'response_format'],
    [
      { response_format: { json_schema: { schema: { pattern: '(a|b{0})'.repeat(2_000) } } } },
      'response_format',
    ],
    [
      { response_format: { json_schema: { schema: { patternProperties: { '^a{1,20000}$': {} } } } } },
      'response_format',
    ],
    [{ tools: [{ function: { strict: true, parameters: { pattern: 'a{1,20000}' } } }] }, 'tools'],
    [{ tools: [{ function: { parameters: { pattern: 'a{1,20000}' } } }], tool_choice: 'required' }, 'tools'],
    [{ tools: [{ function: { parameters: { maxItems: 1e9 } } }], tool_choice: 'required' }, 'tools'],
    [
      {
        tools: [{ type: 'function', function: { name: 'f', parameters: { pattern: 'a{1,20000}' } } }],
        tool_choice: { type: 'function', function: { name: 'f' } },
      },
      'tools',
    ],
  ])('is refused: %.100j', (more, param) => {
    const body = Buffer.from(JSON.stringify({ ...CHAT, ...more }));
    expect(() => checkBody(body, 'chat_completions')).toThrow(
      expect.objectContaining<Partial<ApiException>>({ param }),
    );
  });

  it.each([
    { structured_outputs: { regex: 'a{1,20000}' } },
    { tools: [{ function: { parameters: { maxItems: 1e9 } } }] },
    { tools: [{ function: { parameters: { pattern: 'a{1,20000}' } } }], tool_choice: 'auto' },
    { tools: [{ function: { parameters: { pattern: 'a{1,20000}' } } }], tool_choice: 'none' },
    { response_format: { json_schema: { schema: { patternProperties: { '^x-[a-z]+$': {} } } } } },
  ])('is none, and passes: %j', (more) => {
    const { fields } = checkBody(Buffer.from(JSON.stringify({ ...CHAT, ...more })), 'chat_completions');
    expect(fields).toMatchObject(more);
  });
});
