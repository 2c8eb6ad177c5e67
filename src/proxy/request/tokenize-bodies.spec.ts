import { checkBody } from './request-intake';
import { constraintTokens, tokenizeBodies, untoldTokens } from './tokenize-bodies';

const MESSAGES = '"messages":[{"role":"user","content":"h\\u0069"}]';
const chat = (more = '', messages = MESSAGES) =>
  checkBody(Buffer.from(`{"model":"public",${messages}${more}}`), 'chat_completions');
const bodyOf = (body: ReturnType<typeof chat>) => tokenizeBodies(body, 'served')?.map(String);

describe('what /tokenize is sent', () => {
  it('is what it knows of a chat, byte for byte', () => {
    const fields = ',"temperature":1,"tools":[{"a": 1.0}],"add_generation_prompt":false,"tool_choice":null';
    expect(bodyOf(chat(fields))).toEqual([
      `{"model":"served",${MESSAGES},"tools":[{"a": 1.0}],"add_generation_prompt":false}`,
    ]);
    expect(bodyOf(chat(',"add_generation_prompt":null,"chat_template_kwargs":null'))).toEqual([
      `{"model":"served",${MESSAGES}}`,
    ]);
  });

  it.each([
    ['"reasoning_effort":"low"', { reasoning_effort: 'low', enable_thinking: true }],
    ['"reasoning_effort":"none"', { reasoning_effort: 'none', enable_thinking: false }],
    [
      '"reasoning_effort":"none","chat_template_kwargs":{"enable_thinking":null}',
      { reasoning_effort: 'none', enable_thinking: null },
    ],
    ['"chat_template_kwargs":{"reasoning_effort":"none"}', { reasoning_effort: 'none' }],
    ['"documents":[{"text":"x"}]', { documents: [{ text: 'x' }] }],
  ])('has of %s what a chat makes of it', (more, parameters) => {
    const [body] = bodyOf(chat(`,${more}`)) ?? [];
    expect(JSON.parse(body ?? '')).toMatchObject({ chat_template_kwargs: parameters });
  });

  it('has reasoning by the name it knows', () => {
    const messages = JSON.stringify([
      { role: 'user', content: 'hi', reasoning_content: null },
      { role: 'assistant', reasoning: null, reasoning_content: 'a' },
      { role: 'assistant', reasoning: 'b', reasoning_content: 'c' },
    ]);
    const [body] = bodyOf(chat('', `"messages":${messages}`)) ?? [];
    expect((JSON.parse(body ?? '') as { messages: unknown }).messages).toEqual([
      { role: 'user', content: 'hi', reasoning: null },
      { role: 'assistant', reasoning: 'a' },
      { role: 'assistant', reasoning: 'b' },
    ]);
  });

  it('has no content that is null, beside which some models lose the calls of tools', () => {
    const calls = [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }];
    const messages = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: null, tool_calls: calls },
    ];
    const [body] = bodyOf(chat('', `"messages":${JSON.stringify(messages)}`)) ?? [];
    expect((JSON.parse(body ?? '') as { messages: unknown }).messages).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', tool_calls: calls },
    ]);
  });

  it('is each text of a completion, up to sixteen', () => {
    const completion = (prompt: unknown) =>
      bodyOf(checkBody(Buffer.from(JSON.stringify({ model: 'm', prompt })), 'completions'));
    expect(completion(['a', 'b'])).toEqual(['a', 'b'].map((text) => `{"model":"served","prompt":"${text}"}`));
    expect(completion([[1, 2], [3]])).toEqual([]);
    expect(completion(Array(17).fill('a'))).toBeUndefined();
  });

  it('says nothing of the effort that a server makes of another: it is reserved', () => {
    expect(constraintTokens(chat(',"reasoning_effort":"medium"'))).toBe(128);
    expect(constraintTokens(chat(',"reasoning_effort":null'))).toBe(0);
    expect(constraintTokens(chat(',"chat_template_kwargs":{"reasoning_effort":"low"}'))).toBe(0);
  });

  it('leaves nothing untold of a plain chat', () => {
    expect(untoldTokens(chat())).toBe(0);
    expect(untoldTokens(chat(',"tool_choice":"auto","tools":[{}],"response_format":null'))).toBe(0);
  });
});
