'use strict';
/**
 * A vLLM that costs next to nothing: fixed answers in its shapes, streams paced by one timer. What to do stands in the
 * message: `bench interval=20 chunks=100` streams, `bench hold` sends one event and then keeps the stream open.
 * Every event carries the time it was written, in microseconds, as its text.
 */
const http = require('node:http');

const MODEL = 'bench-model';
const ID = 'chatcmpl-0123456789abcdef';
const created = Math.floor(Date.now() / 1_000);
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1_000);

const json = Buffer.from(
  JSON.stringify({
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
  }),
);

const head = `data: {"id":"${ID}","object":"chat.completion.chunk","created":${created},"model":"${MODEL}","choices":[{"index":0,"delta":`;
const usage = (tokens) =>
  `,"usage":{"prompt_tokens":57,"total_tokens":${57 + tokens},"completion_tokens":${tokens},"completion_tokens_details":null}`;
const roleEvent = (counted) =>
  `${head}{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]${counted ? usage(0) : ''},"prompt_token_ids":null,"prompt_text":null}\n\n`;
const textEvent = (tokens, counted, last) =>
  `${head}{"content":"${now()}"},"logprobs":null,"finish_reason":${last ? '"stop","stop_reason":null' : 'null'},"token_ids":null}]${counted ? usage(tokens) : ''}}\n\n`;
const totalEvent = (tokens) =>
  `data: {"id":"${ID}","object":"chat.completion.chunk","created":${created},"model":"${MODEL}","choices":[]${usage(tokens)}}\n\n`;

/** Streams by interval in milliseconds, so that one timer serves them all. */
const paced = new Map();

function pace(stream) {
  let streams = paced.get(stream.interval);
  if (!streams) {
    streams = new Set();
    paced.set(stream.interval, streams);
    setInterval(() => streams.forEach(step), stream.interval);
  }
  streams.add(stream);
  stream.response.on('close', () => streams.delete(stream));
}

function step(stream) {
  stream.sent += 1;
  const last = stream.sent >= stream.chunks;
  stream.response.write(textEvent(stream.sent, stream.counted, last));
  if (!last) return;
  paced.get(stream.interval).delete(stream);
  stream.response.end((stream.counted ? totalEvent(stream.sent) : '') + 'data: [DONE]\n\n');
}

function answerStream(body, response) {
  const [, interval, chunks] = /bench interval=(\d+) chunks=(\d+)/.exec(body) ?? [null, '20', '50'];
  const counted = body.includes('"continuous_usage_stats":true');
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write(roleEvent(counted));
  if (body.includes('bench hold')) response.write(textEvent(1, counted, false));
  else pace({ response, interval: Number(interval), chunks: Number(chunks), sent: 0, counted });
}

const server = http.createServer((request, response) => {
  if (request.url === '/v1/models') {
    const card = {
      id: MODEL,
      object: 'model',
      created,
      owned_by: 'vllm',
      root: MODEL,
      max_model_len: 131_072,
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ object: 'list', data: [card] }));
    return;
  }
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = parts.length === 1 ? parts[0].toString('latin1') : Buffer.concat(parts).toString('latin1');
    if (body.includes('"stream":true')) return answerStream(body, response);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': json.length });
    response.end(json);
  });
});
server.keepAliveTimeout = 5_000;
server.listen(0, '127.0.0.1', () => console.log(`upstream on ${server.address().port}`));
