const USAGE = { prompt_tokens: 14, completion_tokens: 6, total_tokens: 20 };

export const CHAT_ANSWER = {
  id: 'chatcmpl-8f2c1d',
  object: 'chat.completion',
  created: 1_764_000_000,
  model: 'opencode-llm',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'Hello, and welcome!' }, finish_reason: 'stop' },
  ],
  usage: USAGE,
};

export const COMPLETION_ANSWER = {
  id: 'cmpl-8f2c1d',
  object: 'text_completion',
  created: 1_764_000_000,
  model: 'opencode-llm',
  choices: [{ index: 0, text: ', there was a small gateway.', finish_reason: 'stop', logprobs: null }],
  usage: USAGE,
};

const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

const chatChunk = {
  id: 'chatcmpl-8f2c1d',
  object: 'chat.completion.chunk',
  created: 1_764_000_000,
  model: 'opencode-llm',
};

export const CHAT_STREAM =
  event({ ...chatChunk, choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }) +
  event({ ...chatChunk, choices: [{ index: 0, delta: { content: 'One' } }] }) +
  event({ ...chatChunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
  'data: [DONE]\n\n';

export const COMPLETION_STREAM =
  event({
    id: 'cmpl-8f2c1d',
    object: 'text_completion',
    created: 1_764_000_000,
    model: 'opencode-llm',
    choices: [{ index: 0, text: ', there' }],
  }) + 'data: [DONE]\n\n';
