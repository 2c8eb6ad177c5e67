import { createServer, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { CHAT, says } from './support/wire';

const USAGE = { prompt_tokens: 7, total_tokens: 12, completion_tokens: 5 };
const opening = { id: 'chatcmpl-1', created: 1, model: 'served' };
const WHOLE = JSON.stringify({
  ...opening,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
  usage: USAGE,
});
const event = (choices: object[], more: object = {}) =>
  `data: ${JSON.stringify({ ...opening, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
const EVENTS =
  event([{ index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null }]) +
  event([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
  event([], { usage: USAGE }) +
  'data: [DONE]\n\n';

/** What stands before vLLM may answer in the other way: by its content type an answer is known, not by the request. */
describe('an upstream that does not heed "stream"', () => {
  let gateway: TestGateway;
  let upstream: Server;
  let user: TestUser;

  beforeAll(async () => {
    upstream = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        if (request.url === '/v1/models') {
          const model = { id: 'served', object: 'model', max_model_len: 4_096 };
          return response
            .setHeader('content-type', 'application/json')
            .end(JSON.stringify({ object: 'list', data: [model] }));
        }
        if (request.method !== 'POST') return response.end();
        const wantsStream = (JSON.parse(body) as { stream?: boolean }).stream === true;
        response.setHeader('content-type', wantsStream ? 'application/json' : 'text/event-stream');
        response.end(wantsStream ? WHOLE : EVENTS);
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    gateway = await startGateway({
      settings: { VLLM_BASE_URL: `http://127.0.0.1:${port}`, DEFAULT_TOKEN_LIMIT: '1000000000' },
    });
    user = await gateway.register();
  });
  afterAll(async () => {
    await gateway.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  it.each([
    ['a whole answer to who asked for a stream', true, 'application/json', WHOLE],
    [
      'a stream to who asked for none',
      false,
      'text/event-stream',
      EVENTS.replace(event([], { usage: USAGE }), ''),
    ],
  ])('is billed by what it said: %s', async (_, stream, contentType, text) => {
    const answer = await gateway.post(CHAT, user.key, says({}, { stream }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain(contentType);
    // Under the public name, and without the usage nobody asked for.
    expect(await answer.text()).toBe(text.replaceAll('"model":"served"', '"model":"opencode-llm"'));
    const rows = await settledRows(gateway, user.id);
    expect(rows.at(-1)).toMatchObject({
      outcome: 'completed',
      source: 'exact',
      status: 200,
      prompt_tokens: 7,
      completion_tokens: 5,
    });
    expect(await counterDifferences(gateway)).toEqual([]);
  });
});
