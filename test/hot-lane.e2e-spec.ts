import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw, statusOf } from './support/raw-http';
import { responsesIn } from './support/raw-responses';
import { BODY, CHAT, chunk, envelope, NOTHING_LEFT, says, STREAM, Wire } from './support/wire';

const HOT_PATHS = [CHAT, '/v1/completions', '/chat/completions'];

describe('the generating routes on the wire', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let wire: Wire;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    wire = new Wire(gateway, user);
  });
  afterAll(() => gateway.close());
  beforeEach(() => gateway.simulator.journal.clear());

  const send = (bytes: string) => sendRaw(gateway.url, bytes, 1_000);

  it('serve one request after another on one connection, whatever became of the last one', async () => {
    const connection = wire.open();
    const requests: readonly (readonly [number, string])[] = [
      [200, wire.post(BODY)],
      [200, wire.post(STREAM)],
      [400, wire.post('{')],
      [401, wire.post(BODY).replace(user.key, 'llmk_nobody')],
      [404, wire.post(BODY, [], '/v1/nowhere')],
      [405, wire.head(`PUT ${CHAT} HTTP/1.1`, [`content-length: ${BODY.length}`]) + BODY],
      [200, wire.chunked(`${chunk(BODY)}0\r\n\r\n`)],
      [200, wire.post(STREAM, [], `${CHAT}?api-version=1`)],
      [200, wire.post(BODY, [], '/chat/completions')],
      [200, wire.post(BODY, ['connection: close'])],
    ];
    for (const [index, [status, request]] of requests.entries()) {
      connection.write(request);
      expect((await connection.responses(index + 1))[index]?.status).toBe(status);
    }
    await connection.closed;
    expect(new Set(responsesIn(connection.text()).map(({ headers }) => headers['x-request-id'])).size).toBe(
      10,
    );
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('keep two pipelined generations apart, streamed or not', async () => {
    const first = says({ text: 'first of all', tokens: 8, tbtMs: 10 }, { stream: true });
    for (const stream of [false, true]) {
      const second = says({ text: 'second to none' }, { stream });
      const [one, two] = await wire.open(wire.post(first) + wire.post(second)).responses(2);
      expect([one?.body.includes('first'), one?.body.includes('second')]).toEqual([true, false]);
      expect([two?.body.includes('first'), two?.body.includes('second')]).toEqual([false, true]);
      expect([one, two].map((response) => response?.body.endsWith('data: [DONE]\n\n'))).toEqual([
        true,
        stream,
      ]);
    }
    expect(wire.dispatched).toHaveLength(4);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it.each(['HEAD', 'GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY'])(
    'answer %s with 405 and the method they take',
    async (method) => {
      for (const path of HOT_PATHS) {
        const answer = await wire.open(wire.head(`${method} ${path} HTTP/1.1`, ['connection: close'])).closed;
        expect(statusOf(answer)).toBe(405);
        expect(answer).toContain('\r\nallow: POST\r\n');
        const [, body = ''] = answer.split('\r\n\r\n');
        if (method === 'HEAD') expect(body).toBe('');
        else expect(JSON.parse(body)).toEqual(envelope('method_not_allowed'));
      }
      expect(wire.dispatched).toEqual([]);
    },
  );

  it('tell of 405 at any route that is there, and of 404 where none is', async () => {
    const usage = await fetch(`${gateway.url}/users/usage`, { method: 'DELETE' });
    expect([usage.status, usage.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await usage.json()).toMatchObject({ code: 'method_not_allowed', status: 405 });
    for (const path of ['/nowhere', '/v1/nowhere', '/users']) {
      expect((await fetch(gateway.url + path, { method: 'PUT' })).status).toBe(404);
    }
  });

  it('say 100 Continue to a client that waits for it, and hold nothing for one that never sends', async () => {
    const connection = wire.open(
      wire.head(`POST ${CHAT} HTTP/1.1`, ['expect: 100-continue', `content-length: ${BODY.length}`]),
    );
    await connection.until('HTTP/1.1 100 Continue\r\n\r\n');
    connection.write(BODY);
    expect((await connection.responses(2)).map(({ status }) => status)).toEqual([100, 200]);
    const silent = wire.open(
      wire.head(`POST ${CHAT} HTTP/1.1`, ['expect: 100-continue', 'content-length: 9']),
    );
    await silent.until('100 Continue');
    silent.vanish();
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it('let nobody upload what is refused anyway', async () => {
    const head = wire
      .head(`POST ${CHAT} HTTP/1.1`, ['expect: 100-continue', 'content-length: 9'])
      .replace(user.key, 'llmk_nobody');
    const stranger = wire.open(head);
    const answers = await stranger.responses(1);
    expect(answers.map(({ status, headers }) => [status, headers.connection])).toEqual([[401, 'close']]);
    await stranger.closed;
  });

  it('say 100 Continue on the routes of Express as well', async () => {
    const body = JSON.stringify({ username: 'nobody', password: 'nothing at all' });
    const connection = wire.open(
      `POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await connection.until('HTTP/1.1 100 Continue\r\n\r\n');
    connection.write(body);
    expect((await connection.responses(2)).map(({ status }) => status)).toEqual([100, 401]);
  });

  const SECOND = 'POST /v1/completions HTTP/1.1\r\nhost: x\r\n\r\n';
  it.each<[string, () => string]>([
    ['both lengths', () => wire.post(BODY, ['transfer-encoding: chunked'])],
    ['both lengths, the other way round', () => wire.chunked(`0\r\n\r\n${SECOND}`, ['content-length: 5'])],
    ['two lengths', () => wire.post(BODY, [`content-length: ${BODY.length}`])],
    ['two lengths that differ', () => wire.post(BODY + SECOND, ['content-length: 5'])],
    ['a list of lengths', () => wire.head(`POST ${CHAT} HTTP/1.1`, ['content-length: 5, 5']) + SECOND],
    ['a negative length', () => wire.head(`POST ${CHAT} HTTP/1.1`, ['content-length: -1']) + SECOND],
    ['a signed length', () => wire.head(`POST ${CHAT} HTTP/1.1`, ['content-length: +5']) + SECOND],
    ['a hexadecimal length', () => wire.head(`POST ${CHAT} HTTP/1.1`, ['content-length: 0x5']) + SECOND],
    [
      'a length beyond all numbers',
      () => wire.head(`POST ${CHAT} HTTP/1.1`, [`content-length: ${'9'.repeat(20)}`]),
    ],
    ['an unknown transfer coding', () => wire.post(BODY, ['transfer-encoding: xchunked'])],
    ['a chunk that is no number', () => wire.chunked(`zz\r\n${BODY}\r\n0\r\n\r\n${SECOND}`)],
    ['a negative chunk', () => wire.chunked(`-5\r\n${BODY}\r\n0\r\n\r\n`)],
    ['a chunk longer than it says', () => wire.chunked(`5\r\n${BODY}\r\n0\r\n\r\n`)],
    ['a chunk beyond all numbers', () => wire.chunked(`${'f'.repeat(17)}\r\n${BODY}\r\n0\r\n\r\n`)],
    ['chunks without an end of line', () => wire.chunked(`3\n{}\n0\n\n`)],
    ['a folded header', () => wire.post(BODY, ['x-a: b\r\n c'])],
    ['a blank before a colon', () => wire.post(BODY, ['content-length : 5'])],
    ['a NUL in a header', () => wire.post(BODY, ['x-a: \0'])],
    ['bare line feeds', () => wire.post(BODY).replaceAll('\r\n', '\n')],
    ['a lower-case method', () => wire.post(BODY).replace('POST', 'post')],
    ['no Host', () => wire.post(BODY).replace(/^host: .*\r\n/im, '')],
    ['two Hosts', () => wire.post(BODY, ['host: evil.example'])],
    ['two Hosts that are the same', () => wire.post(BODY, ['Host: gateway'])],
    ['no path', () => wire.post(BODY).replace(CHAT, '')],
    ['a path that does not begin with a slash', () => wire.post(BODY).replace(CHAT, 'v1/chat/completions')],
  ])('refuse %s, end the connection and read no further', async (_, request) => {
    const connection = wire.open(request());
    const [answer, ...more] = responsesIn(await connection.closed);
    expect([answer?.status, answer?.headers.connection, more]).toEqual([400, 'close', []]);
    expect(answer?.body).toContain('"The request is not valid HTTP/1.1."');
    expect(answer?.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(wire.dispatched).toEqual([]);
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });

  it.each<[string, number]>([
    [`http://evil.example${CHAT}`, 200],
    [`${CHAT}?a=b&c=/../x`, 200],
    [`${CHAT}/`, 200],
    ['/V1/Chat/Completions', 200],
    [`/${CHAT}`, 404],
    ['/v1//chat/completions', 404],
    ['/v1/chat%2fcompletions', 404],
    ['/v1/ch%61t/completions', 404],
    ['/v1/chat/completions/..', 404],
    ['/v1/./chat/completions', 404],
  ])('are reached as %s with %i, and vLLM by its own constant path', async (target, status) => {
    const answer = await send(wire.post(BODY, ['connection: close'], target));
    expect(statusOf(answer)).toBe(status);
    expect(responsesIn(answer)[0]?.body).toContain(status === 200 ? '"choices"' : '{"error":');
    expect(wire.dispatched.map((entry) => entry.target)).toEqual(status === 200 ? [CHAT] : []);
  });

  it('are not switched to another protocol', async () => {
    const upgrade = [
      'connection: upgrade, http2-settings',
      'upgrade: h2c',
      'http2-settings: AAMAAABkAAQAAP__',
    ];
    for (const headers of [upgrade, ['connection: upgrade', 'upgrade: websocket']]) {
      expect(statusOf(await send(wire.post(BODY, headers)))).toBe(200);
    }
    expect(await wire.open('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').closed).toMatch(/^HTTP\/1\.1 400 /);
    expect(await wire.open('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03').closed).toMatch(
      /^HTTP\/1\.1 400 /,
    );
    expect(await wire.aftermath()).toEqual(NOTHING_LEFT);
  });
});
