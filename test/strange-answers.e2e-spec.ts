import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ANSWER_HEADERS } from './support/answer-headers';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { RawUpstream, startRawUpstream } from './support/raw-upstream';
import { responsesIn } from './support/raw-responses';
import { says, Wire } from './support/wire';

const USAGE = '"usage":{"prompt_tokens":7,"total_tokens":12,"completion_tokens":5}';
const chat = (content: string) =>
  `{"id":"1","object":"chat.completion","created":1,"model":"served","choices":[{"index":0,"message":{"role":"assistant","content":"${content}"},"finish_reason":"stop"}],${USAGE}}`;
const events = (content: string) =>
  [
    `{"id":"1","object":"chat.completion.chunk","created":1,"model":"served","choices":[{"index":0,"delta":{"role":"assistant","content":"${content}"},"finish_reason":null}]}`,
    '{"id":"1","object":"chat.completion.chunk","created":1,"model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    `{"id":"1","object":"chat.completion.chunk","created":1,"model":"served","choices":[],${USAGE}}`,
    '[DONE]',
  ]
    .map((data) => `data: ${data}\n\n`)
    .join('');
const head = (headers: readonly string[], line = 'HTTP/1.1 200 OK') =>
  [line, ...headers, '', ''].join('\r\n');

/** A whole answer with a length, streamed or not. */
const whole = (stream: boolean, more: readonly string[] = [], content = 'Hello'): string => {
  const body = stream ? events(content) : chat(content);
  const type = stream ? 'text/event-stream' : 'application/json';
  return head([`content-type: ${type}`, `content-length: ${body.length}`, ...more]) + body;
};
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

/** vLLM says no such thing; what stands in front of it might, or what somebody has put in its place. */
describe.each([false, true])('an upstream with strange answers (stream: %s)', (stream) => {
  let gateway: TestGateway;
  let upstream: RawUpstream;
  let user: TestUser;
  let other: TestUser;
  let rows = 0;

  beforeAll(async () => {
    upstream = await startRawUpstream();
    gateway = await startGateway({
      // One connection, so that it is used again where it can be. None of them is silent for so long.
      settings: { VLLM_BASE_URL: upstream.url, UPSTREAM_CONNECTIONS: '1', UPSTREAM_IDLE_TIMEOUT_MS: '30000' },
    });
    [user, other] = [await gateway.register(), await gateway.register()];
  });
  afterAll(async () => {
    await gateway.close();
    upstream.close();
  });
  beforeEach(async () => {
    rows = (await settledRows(gateway, user.id)).length;
  });

  const ask = async (who: TestUser) => {
    const request = new Wire(gateway, who).post(says({}, { stream, max_tokens: 9 }), ['connection: close']);
    const wire = new Wire(gateway, who).open(request);
    const [response, ...more] = responsesIn(await wire.closed, true);
    expect(more).toEqual([]);
    expect(Object.keys(response?.headers ?? {}).filter((name) => !ANSWER_HEADERS.includes(name))).toEqual([]);
    return response;
  };

  /** One row, nothing held, and the next one, of somebody else, gets an answer of its own. */
  const expectSettled = async (outcome: string, status: number, completion?: number) => {
    const settled = (await settledRows(gateway, user.id)).slice(rows);
    expect(settled).toEqual([expect.objectContaining({ outcome, status })]);
    if (completion !== undefined) expect(settled[0]?.completion_tokens).toBe(completion);
    upstream.answer = (socket) => socket.write(whole(stream, [], 'mine'));
    const next = await ask(other);
    expect([next?.status, next?.body.includes('"content":"mine"')]).toEqual([200, true]);
    expect(next?.body).not.toMatch(/Hello|evil/);
    await settledRows(gateway, other.id);
    expect(await counterDifferences(gateway)).toEqual([]);
  };

  it.each<[string, () => string]>([
    [
      'headers of its own',
      () =>
        whole(stream, [
          'set-cookie: evil=1',
          'server: evil',
          'x-powered-by: evil',
          'x-request-id: evil',
          'link: evil',
        ]),
    ],
    ['a header of two lines', () => whole(stream, ['x-a: b\r\nset-cookie: evil=1'])],
    ['a head of a few kilobytes', () => whole(stream, [`x-large: ${'a'.repeat(12_000)}`])],
    [
      'interim answers before',
      () => `HTTP/1.1 103 Early Hints\r\nset-cookie: evil=1\r\n\r\n${whole(stream)}`,
    ],
    [
      'chunks, and trailers behind them',
      () =>
        head([
          `content-type: ${stream ? 'text/event-stream' : 'application/json'}`,
          'transfer-encoding: chunked',
        ]) +
        chunked(stream ? events('Hello') : chat('Hello')).replace(
          /\r\n\r\n$/,
          '\r\nset-cookie: evil=1\r\n\r\n',
        ),
    ],
  ])('is served, and billed, without them: %s', async (_, answer) => {
    upstream.answer = (socket) => socket.write(answer());
    const response = await ask(user);
    expect([response?.status, response?.body.includes('Hello')]).toEqual([200, true]);
    expect(JSON.stringify(response)).not.toContain('evil');
    await expectSettled('completed', 200, 5);
  });

  it.each<[string, () => string]>([
    ['a length and chunks', () => whole(stream, ['transfer-encoding: chunked'])],
    ['two lengths', () => whole(stream, ['content-length: 3'])],
    ['a length that is no number', () => whole(stream).replace(/content-length: /, 'content-length: x')],
    ['a bare line end in a header', () => whole(stream, ['x-a: b\nset-cookie: evil=1\n\nevil'])],
    ['a bare return in a header', () => whole(stream, ['x-a: b\rset-cookie: evil=1'])],
    ['a NUL in a header', () => whole(stream, ['x-a: \0'])],
    ['a megabyte of one header', () => whole(stream, [`x-large: ${'a'.repeat(1_048_576)}`])],
    [
      'a megabyte of headers',
      () =>
        whole(
          stream,
          Array.from({ length: 60_000 }, (_, i) => `x-${i}: evil`),
        ),
    ],
    [
      'another protocol',
      () => 'HTTP/1.1 101 Switching Protocols\r\nupgrade: evil\r\nconnection: upgrade\r\n\r\nevil',
    ],
    ['no HTTP', () => 'SSH-2.0-evil\r\n'],
    ['a status of four digits', () => whole(stream).replace('200', '2000')],
    ['no body', () => head(['content-type: application/json'], 'HTTP/1.1 204 No Content')],
    ['another type', () => whole(stream).replace(/content-type: .*/, 'content-type: text/html')],
    ['two types', () => whole(stream).replace(/content-type: /, 'content-type: text/html, ')],
    [
      'an error that calls itself a success',
      () => {
        const error = '{"error":{"message":"evil","type":"InternalServerError","code":500}}';
        return (
          whole(stream).replace(/(content-length: )[^]*/, `$1${error.length + (stream ? 8 : 0)}\r\n\r\n`) +
          (stream ? `data: ${error}\n\n` : error)
        );
      },
    ],
    ['a page of a proxy', () => head(['content-length: 6'], 'HTTP/1.1 502 Bad Gateway') + '<evil>'],
  ])('is a 502, and settled: %s', async (_, answer) => {
    upstream.answer = (socket) => socket.write(answer());
    const response = await ask(user);
    expect([response?.status, JSON.parse(response?.body ?? '{}')]).toEqual([
      502,
      { error: { message: expect.any(String), type: 'server_error', param: null, code: 'upstream_error' } },
    ]);
    expect(JSON.stringify(response)).not.toContain('evil');
    await expectSettled('upstream_error', 502);
  });

  const EVIL = whole(stream, [], 'evil');
  it.each<[string, (socket: Socket) => void]>([
    ['in one piece', (socket) => socket.write(whole(stream) + EVIL)],
    [
      'right behind it',
      (socket) => {
        socket.write(whole(stream));
        setImmediate(() => socket.write(EVIL));
      },
    ],
    [
      'a little later',
      (socket) => {
        socket.write(whole(stream));
        setTimeout(() => socket.write(EVIL), 20);
      },
    ],
    ['of which only a part', (socket) => socket.write(whole(stream) + EVIL.slice(0, 30))],
    ['as its body beyond its length', (socket) => socket.write(`${whole(stream)}evil`)],
    [
      'behind its chunks',
      (socket) =>
        socket.write(
          head([
            `content-type: ${stream ? 'text/event-stream' : 'application/json'}`,
            'transfer-encoding: chunked',
          ]) +
            chunked(stream ? events('Hello') : chat('Hello')) +
            EVIL,
        ),
    ],
  ])('that adds another answer is not asked again on that connection: %s', async (_, answer) => {
    upstream.answer = (socket, count) => (count === 1 ? answer(socket) : socket.write(whole(stream)));
    // The next one waits in line for the connection.
    const [response, second] = await Promise.all([ask(user), ask(other)]);
    expect([response?.status, response?.body.includes('Hello')]).toEqual([200, true]);
    await sleep(50);
    expect(JSON.stringify([response, second])).not.toContain('evil');
    await expectSettled('completed', 200, 5);
  });
});
