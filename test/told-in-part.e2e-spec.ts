import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { RawUpstream, startRawUpstream } from './support/raw-upstream';
import { call } from './support/stream-client';

const PROMPTS = 20;
const TOKENS = 1_000;
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n';
const event = (index: number) =>
  `data: {"id":"1","object":"text_completion","created":1,"model":"served","choices":[{"index":${index},"text":"x","finish_reason":null}],` +
  `"usage":{"prompt_tokens":${TOKENS},"total_tokens":${TOKENS + 1},"completion_tokens":1}}\n\n`;

describe('an answer that ended before vLLM has told all of it', () => {
  let gateway: TestGateway;
  let upstream: RawUpstream;
  let user: TestUser;

  beforeAll(async () => {
    upstream = await startRawUpstream();
    gateway = await startGateway({ settings: { VLLM_BASE_URL: upstream.url } });
  });
  afterAll(async () => {
    await gateway.close();
    upstream.close();
  });
  beforeEach(async () => {
    user = await gateway.register();
  });

  const ask = (body: object, path = '/v1/completions', hangUpOnce?: () => boolean) =>
    call({
      url: gateway.url,
      path,
      credential: user.key,
      body: { model: 'opencode-llm', stream: true, max_tokens: 5, ...body },
      ...(hangUpOnce === undefined ? {} : { hangUpOnce }),
    });
  /** Leaves once vLLM has all of the request and has said nothing to it. @returns vLLM's side of its connection */
  const leaveUnanswered = async (body: object, path?: string): Promise<Socket> => {
    const asked: Socket[] = [];
    upstream.answer = (socket) => asked.push(socket);
    await ask(body, path, () => asked.length > 0);
    await sleep(300);
    // After a pause timers come first: that somebody left is read now.
    for (let turns = 0; turns < 3; turns += 1) await turn();
    return asked[0] as Socket;
  };

  // Of digits each is a token; a guess by bytes, which is all there is for more than 16 prompts, is a quarter of them.
  it('is billed what it told, where that is more than a guess of all', async () => {
    const told = Array.from({ length: PROMPTS - 1 }, (_, index) => event(index)).join('');
    upstream.answer = (socket) => socket.end(HEAD + told);
    await ask({ prompt: Array.from({ length: PROMPTS }, () => '7'.repeat(TOKENS)) });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ source: 'estimated', prompt_tokens: (PROMPTS - 1) * TOKENS });
  });

  it('is billed no more of a prompt than it was to be cut to', async () => {
    await leaveUnanswered({ prompt: '7'.repeat(20 * TOKENS), truncate_prompt_tokens: 10 });
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'client_closed', source: 'estimated', prompt_tokens: 10 });
  });

  it('is billed nothing when vLLM refuses it in its first event, also once a client of hidden thinking has left', async () => {
    const error = '{"error": {"message": "no", "type": "BadRequestError", "code": 400}}';
    const hidden = { messages: [{ role: 'user', content: 'hi' }], include_reasoning: false };
    const vllm = await leaveUnanswered(hidden, '/v1/chat/completions');
    vllm.end(`${HEAD}data: ${error}\n\ndata: [DONE]\n\n`);
    const [row] = await settledRows(gateway, user.id);
    expect(row).toMatchObject({ outcome: 'client_closed', status: 499, source: 'exact', prompt_tokens: 0 });
  });
});
