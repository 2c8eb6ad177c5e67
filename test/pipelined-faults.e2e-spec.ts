import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { openRaw } from './support/raw-connection';
import { sendRaw } from './support/raw-http';
import { CHAT, says } from './support/wire';

const SILENT_MS = 2_000;

describe('what comes behind a request that is right', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const chat = (steps: object, more: { stream?: boolean } = {}, head = '') => {
    const body = says(steps, more);
    return `POST ${CHAT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${user.key}\r\n${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  };
  const statusesOf = (answer: string) =>
    [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  const send = (bytes: string) => sendRaw(gateway.url, bytes, SILENT_MS);
  const outcomes = async () => (await settledRows(gateway, user.id)).map(({ outcome }) => outcome);

  it.each([
    ['no HTTP', '\0\0\r\n\r\n', 400],
    ['no host', 'GET /v1/models HTTP/1.1\r\n\r\n', 400],
    ['an unknown method', 'FOO /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n', 400],
    ['a tunnel', 'CONNECT elsewhere:1 HTTP/1.1\r\nHost: elsewhere:1\r\n\r\n', 405],
  ])('is refused after that has been answered: %s', async (_, bytes, status) => {
    const answer = await send(chat({ tokens: 5 }) + bytes);
    expect(statusesOf(answer)).toEqual([200, status]);
    const ids = [...answer.matchAll(/x-request-id: (\S+)/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(2);
    expect(await outcomes()).toEqual(['completed']);
  });

  it('is refused after all that came before it', async () => {
    const answer = await send(`${chat({ tokens: 5, ttftMs: 200 })}${chat({ tokens: 5 })}FOO\r\n\r\n`);
    expect(statusesOf(answer)).toEqual([200, 200, 400]);
    expect(await outcomes()).toEqual(['completed', 'completed']);
  });

  it('does not break a stream, and a client that then leaves ends it', async () => {
    const connection = await openRaw(gateway.url);
    connection.write(chat({ tokens: 10_000, tbtMs: 20 }, { stream: true }));
    await connection.until((text) => text.includes('data: '));
    connection.write('\0\0\r\n\r\n');
    const soFar = connection.text().length;
    await connection.until((text) => text.length > soFar + 1_000);
    connection.endWriting();
    expect(await outcomes()).toEqual(['client_closed']);
  });

  it('may take its time while a stream runs', async () => {
    const server = gateway.app.getHttpServer() as Server;
    const { headersTimeout } = server;
    server.headersTimeout = 500;
    try {
      const answer = await sendRaw(
        gateway.url,
        `${chat({ tokens: 60, tbtMs: 50 }, { stream: true })}GE`,
        4_000,
      );
      expect(answer).toContain('data: [DONE]');
      // Nothing more came of it.
      expect(statusesOf(answer)).toEqual([200, 408]);
    } finally {
      server.headersTimeout = headersTimeout;
    }
  });

  it('is not looked at when that asked for the end of the connection', async () => {
    const answer = await send(chat({ tokens: 5 }, {}, 'Connection: close\r\n') + chat({ tokens: 5 }));
    expect(statusesOf(answer)).toEqual([200]);
    expect(await outcomes()).toEqual(['completed']);
  });

  it('is not looked at when something was refused before it', async () => {
    const answer = await send(`GET /v1/models HTTP/1.1\r\n\r\n${chat({ tokens: 5 })}`);
    expect(statusesOf(answer)).toEqual([400]);
    await sleep(200);
    expect(await outcomes()).toEqual([]);
  });

  it('is not kept for ever when something was refused before it: the stream is cut, and billed as far as it came', async () => {
    const connection = await openRaw(gateway.url);
    connection.write(chat({ tokens: 10_000, tbtMs: 100 }, { stream: true }));
    await connection.until((text) => text.includes('data: '));
    connection.write(
      `GET /v1/models HTTP/1.1\r\n\r\n${'GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n'.repeat(200)}`,
    );
    await connection.closed;
    expect(connection.text()).not.toContain('[DONE]');
    expect(await outcomes()).toEqual(['client_closed']);
  });

  it('has as long for its body as that takes', () => {
    expect((gateway.app.getHttpServer() as Server).requestTimeout).toBe(0);
  });
});
