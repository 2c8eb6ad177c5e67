'use strict';
// What the upstream of the benchmark says: answers in vLLM's shapes, as latin1 text, one character a byte.

const MODEL = 'bench-model';
const ID = 'chatcmpl-0123456789abcdef';
const created = Math.floor(Date.now() / 1_000);

/** Microseconds; the same clock in every process of this machine. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1_000);

const wholeAnswer = JSON.stringify({
  id: ID,
  object: 'chat.completion',
  created,
  model: MODEL,
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'The quick brown fox jumps over the lazy dog. '.repeat(8),
        refusal: null,
        annotations: null,
        audio: null,
        function_call: null,
        reasoning: null,
      },
      logprobs: null,
      finish_reason: 'stop',
      stop_reason: null,
      token_ids: null,
      routed_experts: null,
    },
  ],
  service_tier: null,
  system_fingerprint: 'vllm-0.32.0-bench',
  usage: { prompt_tokens: 57, total_tokens: 157, completion_tokens: 100, prompt_tokens_details: null },
  prompt_logprobs: null,
  prompt_token_ids: null,
  kv_transfer_params: null,
});

const models = JSON.stringify({
  object: 'list',
  data: [{ id: MODEL, object: 'model', created, owned_by: 'vllm', root: MODEL, max_model_len: 131_072 }],
});

const head = `data: {"id":"${ID}","object":"chat.completion.chunk","created":${created},"model":"${MODEL}","choices":[`;
const usage = (tokens) =>
  `,"usage":{"prompt_tokens":57,"total_tokens":${57 + tokens},"completion_tokens":${tokens},"completion_tokens_details":null}`;
const choice = `${head}{"index":0,"delta":`;
const roleEvent = (counted) =>
  `${choice}{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]${counted ? usage(0) : ''},"prompt_token_ids":null,"prompt_text":null}\n\n`;
const textEvent = (tokens, counted, last) =>
  `${choice}{"content":"${now()}"},"logprobs":null,"finish_reason":${last ? '"stop","stop_reason":null' : 'null'},"token_ids":null}]${counted ? usage(tokens) : ''}}\n\n`;
const totalEvent = (tokens) => `${head}]${usage(tokens)}}\n\n`;
const DONE = 'data: [DONE]\n\n';

const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const LAST_CHUNK = '0\r\n\r\n';
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';

const json = (text, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;

module.exports = {
  DONE,
  LAST_CHUNK,
  STREAM_HEAD,
  chunk,
  json,
  models,
  now,
  roleEvent,
  textEvent,
  totalEvent,
  wholeAnswer,
};
