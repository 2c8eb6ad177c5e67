import { FIELD_POLICY } from './field-policy';
import { ProxiedCall } from './proxied-call';
import { checkBody } from './request-intake';
import { outputBudget } from './output-budget';

const MODEL = { id: 'public', servedName: 'served', window: 4_096, servers: [] };
const CHAT = { model: 'public', messages: [{ role: 'user', content: 'hi' }] };
const COMPLETION = { model: 'public', prompt: 'hi' };

function sent(
  body: unknown,
  endpoint: 'chat_completions' | 'completions' = 'chat_completions',
): Record<string, unknown> {
  const checked = checkBody(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), endpoint);
  const call = new ProxiedCall(checked, MODEL, 'salt', 16_384, 0);
  const budget = outputBudget(call.outputQuestion({ ...call.promptBound, exact: true }));
  return JSON.parse(call.encode(budget).toString()) as Record<string, unknown>;
}

const refusal = (
  more: Record<string, unknown>,
  base: object = CHAT,
): { param: string | null; message: string } => {
  try {
    sent({ ...base, ...more }, 'prompt' in base ? 'completions' : 'chat_completions');
  } catch (error) {
    return error as { param: string | null; message: string };
  }
  throw new Error(`not refused: ${JSON.stringify(more)}`);
};

const refusedPart = (part: object): string | null =>
  refusal({ messages: [{ role: 'user', content: [part] }] }).param;

/** A value each forwarded field accepts. */
const GOOD: Record<string, unknown> = {
  n: 2,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
  prompt: ['a', 'b'],
  stop: ['a', 'b'],
  stop_token_ids: [1],
  logit_bias: { '1': 5 },
  bad_words: ['x'],
  allowed_token_ids: [1, 2],
  min_tokens: 1,
  truncate_prompt_tokens: -1,
  truncation_side: 'left',
  logprobs: true,
  top_logprobs: 5,
  prompt_logprobs: 1,
  suffix: 'end',
  stream_interval: 4,
  response_format: { type: 'json_object' },
  structured_outputs: { choice: ['a'] },
  tools: [{ type: 'function', function: { name: 'f' } }],
  tool_choice: 'auto',
  reasoning_effort: 'low',
  thinking_token_budget: 100,
  chat_template_kwargs: { enable_thinking: false },
  documents: [{ text: 'x' }],
  temperature: 0.5,
  top_p: 1,
  min_p: 1e-3,
  frequency_penalty: -2,
  presence_penalty: 0,
  repetition_penalty: 1.1,
  top_k: -1,
  seed: 12,
};

describe('the field policy, row by row', () => {
  for (const [field, rule] of FIELD_POLICY) {
    const endpoint = rule.only === 'completions' ? 'completions' : 'chat_completions';
    const base = endpoint === 'completions' ? COMPLETION : CHAT;
    if (rule.action === 'forward') {
      it(`forwards ${field}`, () => {
        const value = GOOD[field] ?? true;
        expect(sent({ ...base, [field]: value }, endpoint)[field]).toEqual(value);
      });
      if (rule.check?.(null) === null) {
        it(`takes null for no ${field}`, () => {
          expect(sent({ ...base, [field]: null }, endpoint)).not.toHaveProperty([field]);
        });
      }
    } else if (rule.action === 'drop') {
      it(`drops ${field}`, () => {
        expect(sent({ ...CHAT, [field]: 'x' })).not.toHaveProperty([field]);
      });
    } else if (rule.action === 'refuse') {
      it(`refuses ${field} and says why`, () => {
        const error = refusal({ [field]: 'x' });
        expect(error.param).toBe(field);
        expect(error.message.startsWith(`${field} `)).toBe(true);
      });
    }
  }

  it('replaces the model and the cache salt', () => {
    expect(sent({ ...CHAT, cache_salt: 'mine' })).toMatchObject({ model: 'served', cache_salt: 'salt' });
  });

  it('always asks for usage in a stream, whatever the client asked, and never otherwise', () => {
    for (const stream_options of [
      undefined,
      null,
      {},
      { include_usage: false },
      { continuous_usage_stats: true },
    ]) {
      expect(sent({ ...CHAT, stream: true, stream_options }).stream_options).toEqual({
        include_usage: true,
        continuous_usage_stats: true,
      });
    }
    expect(sent({ ...CHAT, stream_options: null })).not.toHaveProperty('stream_options');
  });

  it('forwards forms of many items, and tools of any of which vLLM compiles nothing, or in another way', () => {
    for (const more of [
      { response_format: { json_schema: { schema: { properties: { maxItems: {} }, maxItems: 100_000 } } } },
      { structured_outputs: { json: '{' } },
      { structured_outputs: { grammar: 'root ::= "maxItems"' } },
      { tools: [{ function: { strict: true, parameters: { maxItems: 1e9 } } }] },
      {
        structured_outputs: {
          json: { pattern: '^[a-z]{1,63}(\\.[a-z]{2,}){3}$', properties: { pattern: {} } },
        },
      },
    ]) {
      expect(sent({ ...CHAT, ...more })).toMatchObject(more);
    }
  });

  it('drops what it does not know, as vLLM would ignore it', () => {
    const body = JSON.stringify({ ...CHAT, surprise: 1 }).replace('{', '{"__proto__":{"role":"admin"},');
    expect(Object.keys(sent(body))).toEqual(['model', 'messages', 'cache_salt']);
    expect(({} as { role?: string }).role).toBeUndefined();
  });

  it.each([
    [{ stream: 'true' }, 'stream'],
    [{ stream: 1 }, 'stream'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream: true, stream_options: [] }, 'stream_options'],
    [{ stream: true, stream_options: 'x' }, 'stream_options'],
    [{ stream: true, stream_options: { include_usage: 'true' } }, 'stream_options'],
    [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: '9' }, 'max_tokens'],
    [{ max_tokens: 2 ** 60 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ max_completion_tokens: 0 }, 'max_completion_tokens'],
    [{ n: 9 }, 'n'],
    [{ n: 16_384 }, 'n'],
    [{ n: 0 }, 'n'],
    [{ n: '2' }, 'n'],
    [{ n: true }, 'n'],
    [{ top_logprobs: -1 }, 'top_logprobs'],
    [{ logprobs: 1e6 }, 'logprobs'],
    [{ prompt_logprobs: 1, stream: true }, 'prompt_logprobs'],
    [{ min_tokens: 1e9 }, 'min_tokens'],
    [{ bad_words: Array.from({ length: 10_000 }, () => 'x') }, 'bad_words'],
    [{ stop: Array.from({ length: 10_000 }, () => 'x') }, 'stop'],
    [{ tools: [] }, 'tools'],
    [{ tools: Array.from({ length: 10_000 }, () => ({})) }, 'tools'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: null }, 'messages'],
    [{ model: 5 }, 'model'],
    [{ chat_template_kwargs: { chat_template: '{{x}}' } }, 'chat_template_kwargs'],
    [{ stop: '\ud83d' }, 'stop'],
    [{ bad_words: ['ok', 'a\udc00'] }, 'bad_words'],
    [{ structured_outputs: 'x' }, 'structured_outputs'],
    [{ structured_outputs: [] }, 'structured_outputs'],
    [{ structured_outputs: { json: { type: 'array', minItems: 1e9 } } }, 'structured_outputs'],
    [{ structured_outputs: { json: '{"a":[{"maxItems":1e9}]}' } }, 'structured_outputs'],
    [{ response_format: { json_schema: { schema: { items: { maxItems: 1e9 } } } } }, 'response_format'],
    [{ response_format: { json_schema: { schema: { pattern: '^a{1,20000}$' } } } }, 'response_format'],
    [{ structured_outputs: { json: '{"a":{"pattern":"a{1500}b{2,1500}"}}' } }, 'structured_outputs'],
    [{ response_format: [{ maxItems: 60_000 }, { maxItems: 60_000 }] }, 'response_format'],
    [{ use_beam_search: true }, 'use_beam_search'],
  ])('refuses %j', (more, param) => {
    expect(refusal(more).param).toBe(param);
  });

  it.each([
    'http://169.254.169.254/',
    'https://x.example/a.png',
    'HTTP://x.example/?data:image/png;base64,AAAA',
    'file:///etc/passwd',
    'file:data:image/png;base64,AAAA',
    '//x.example/a.png',
    '\\\\host\\x',
    ' data:image/png;base64,AAAA',
    '',
  ])('refuses media at %j', (url) => {
    const text = { type: 'text', text: 'x' };
    const image = { type: 'image_url', image_url: { url } };
    for (const part of [
      image,
      { image_url: url },
      { video_url: { url } },
      { type: 'audio_url', audio_url: url },
    ])
      expect(refusedPart(part)).toBe('messages');
    const hi = { role: 'user', content: 'hi' };
    expect(refusal({ messages: [hi, { role: 'tool', content: [text, image] }, hi] }).param).toBe('messages');
  });

  it('takes media as data URLs, but no embeddings and no references into a shared cache', () => {
    const part = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    expect(sent({ ...CHAT, messages: [{ role: 'user', content: [part] }] }).messages).toEqual([
      { role: 'user', content: [part] },
    ]);
    for (const bad of [
      { type: 'image_embeds', image_embeds: 'x' },
      { type: 'audio_embeds', data: 'x' },
      { image_pil: 'x' },
      { ...part, uuid: 'u' },
    ]) {
      expect(refusal({ messages: [{ role: 'user', content: [bad] }] }).param).toBe('messages');
    }
  });

  it('takes nothing but texts for what an assistant thought, and for what names a message', () => {
    const answer = (value: object) => [{ role: 'assistant', content: 'hi', ...value }];
    const part = { type: 'text', text: 'x' };
    for (const key of ['reasoning', 'reasoning_content', 'tool_call_id', 'task']) {
      for (const bad of [part, [part], 1, true])
        expect(refusal({ messages: answer({ [key]: bad }) }).param).toBe('messages');
      for (const good of ['a', '', null])
        expect(sent({ ...CHAT, messages: answer({ [key]: good }) }).messages).toEqual(
          answer({ [key]: good }),
        );
    }
    expect(refusal({ messages: answer({ tools: 1 }) }).param).toBe('messages');
    expect(sent({ ...CHAT, messages: answer({ tools: [] }) }).messages).toEqual(answer({ tools: [] }));
  });

  it('refuses tools without a name where tool_choice names one', () => {
    const named = { type: 'function', function: { name: 'f' } };
    for (const tool of [
      {},
      { type: 'function' },
      { function: null },
      { function: 'f' },
      { function: { name: 1 } },
    ])
      expect(refusal({ tools: [named, tool], tool_choice: named }).param).toBe('tools');
    expect(sent({ ...CHAT, tools: [named], tool_choice: named }).tool_choice).toEqual(named);
    // Otherwise vLLM says itself what is wrong with them, as it does of a choice without tools.
    expect(sent({ ...CHAT, tools: [{}], tool_choice: 'auto' }).tools).toEqual([{}]);
    expect(sent({ ...CHAT, tool_choice: named }).tool_choice).toEqual(named);
  });

  it('refuses numbers that overflow, duplicate keys and depth', () => {
    const text = JSON.stringify(CHAT);
    for (const [more, code] of [
      ['"max_tokens":1e400', 'invalid_value'],
      ['"n":1,"n":2', 'invalid_value'],
      [`"tools":[{"a":${'['.repeat(80)}${']'.repeat(80)}}]`, 'invalid_json'],
    ] as const) {
      expect(() => sent(text.replace('{', `{${more},`))).toThrow(expect.objectContaining({ code }) as Error);
    }
  });

  it('forwards every other byte as it came', () => {
    const body =
      '{"messages":[{"role":"user","content":"\\u00e9 \\ud83d"}], "temperature": 1.0, "seed":9223372036854775807,"model":"public"}';
    const checked = checkBody(Buffer.from(body), 'chat_completions');
    const call = new ProxiedCall(checked, MODEL, 's', 0, 0);
    expect(call.encode(outputBudget(call.outputQuestion(call.promptBound))).toString()).toBe(
      '{"messages":[{"role":"user","content":"\\u00e9 \\ud83d"}],"temperature": 1.0,"seed":9223372036854775807,"model":"served","cache_salt":"s"}',
    );
  });

  it('takes null for a list of messages that is not there', () => {
    const { endpoint } = checkBody(Buffer.from('{"prompt":"x","messages":null,"model":"public"}'), null);
    expect(endpoint).toBe('completions');
  });

  it('does not shorten the answer to a prompt that vLLM will truncate', () => {
    const long = { prompt: 'x'.repeat(3_500), max_tokens: 1_000 };
    const asked = (more: object) => sent({ ...COMPLETION, ...long, ...more }, 'completions').max_tokens;
    expect(asked({ truncate_prompt_tokens: 10 })).toBe(1_000);
    expect(asked({ truncate_prompt_tokens: 3_200 })).toBe(896);
    expect(asked({ truncate_prompt_tokens: -1 })).toBeLessThan(600);
  });

  it('keeps max_completion_tokens for who used it, and lets it win', () => {
    expect(sent({ ...CHAT, max_completion_tokens: 7, max_tokens: 9 })).toMatchObject({
      max_completion_tokens: 7,
    });
    expect(sent({ ...CHAT, max_completion_tokens: 7, max_tokens: 9 })).not.toHaveProperty('max_tokens');
  });
});
