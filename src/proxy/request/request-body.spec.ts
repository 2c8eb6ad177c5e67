import { createServer, IncomingMessage, Server } from 'node:http';
import { AddressInfo, connect, Socket } from 'node:net';
import { BodyMemory } from './body-memory';
import { readJsonBytes as read } from './request-body';

const readJsonBytes = (request: IncomingMessage, limit: number) =>
  read(request, limit, new BodyMemory(limit));

describe('readJsonBytes', () => {
  let server: Server;
  let client: Socket;

  afterEach(async () => {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  /** A request of which only this much has been sent. */
  const arriving = (bytes: string): Promise<IncomingMessage> =>
    new Promise((resolve) => {
      server = createServer(resolve).listen(0, '127.0.0.1', () => {
        client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
        client.write(bytes);
      });
    });
  const HEAD = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n';

  it('joins what comes in pieces', async () => {
    const request = await arriving(`${HEAD}{"a"`);
    const bytes = readJsonBytes(request, 8);
    client.write(':12}');
    expect((await bytes).toString()).toBe('{"a":12}');
  });

  it('has at once what came together with its head', async () => {
    const request = await arriving(`${HEAD}{"a":12}`);
    // The parser tells of the head first.
    await new Promise(setImmediate);
    expect(String(readJsonBytes(request, 8))).toBe('{"a":12}');
    await new Promise((resolve) => request.once('end', resolve));
  });

  it('has it before the parser has said that it is complete', async () => {
    const request = await arriving(`${HEAD}{"a":12}`);
    expect([request.complete, request.readableLength]).toEqual([false, 8]);
    const ended = new Promise((resolve) => request.once('end', resolve));
    expect(readJsonBytes(request, 8)).toEqual(Buffer.from('{"a":12}'));
    await ended;
  });

  it('refuses what came together with its head when it is too large', async () => {
    const request = await arriving(
      `${HEAD.replace('content-length: 8', 'transfer-encoding: chunked')}8\r\n{"a":12}\r\n0\r\n\r\n`,
    );
    await new Promise(setImmediate);
    expect(() => readJsonBytes(request, 7)).toThrow(expect.objectContaining({ code: 'body_too_large' }));
  });

  it.each(['before', 'while'])('fails at once for a client that leaves %s it reads', async (moment) => {
    const request = await arriving(`${HEAD}{"a"`);
    const left = new Promise((resolve) => request.once('close', resolve));
    const reading = moment === 'while' ? readJsonBytes(request, 8) : null;
    client.resetAndDestroy();
    await left;
    const failure = Promise.resolve(reading ?? readJsonBytes(request, 8)).then(
      String,
      (error: unknown) => error,
    );
    expect(await failure).toMatchObject({ code: 'body_incomplete', status: 400 });
  });
});
