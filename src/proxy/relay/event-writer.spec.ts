import { createServer, Server, ServerResponse } from 'node:http';
import { AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRaw } from '../../../test/support/raw-connection';
import { responsesIn } from '../../../test/support/raw-responses';
import { EventWriter } from './event-writer';

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('EventWriter', () => {
  let server: Server;
  let url: string;
  let answer: (response: ServerResponse, request: number) => void;

  beforeAll(async () => {
    let requests = 0;
    server = createServer((_, response) => answer(response, (requests += 1)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });

  /** Serves each request with these steps over a writer, and gives the writer. */
  const serves = (steps: (writer: EventWriter, response: ServerResponse) => unknown): Promise<EventWriter> =>
    new Promise((resolve, reject) => {
      answer = (response) => {
        const writer = new EventWriter(response);
        resolve(writer);
        Promise.resolve(steps(writer, response)).catch(reject);
      };
    });
  /** Everything that one request brings. */
  const read = (request = GET) => {
    const connection = openRaw(url);
    connection.write(request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
    return connection.closed;
  };

  it('writes the events of one turn as one chunk, and the head with the first of them', async () => {
    void serves(async (writer) => {
      writer.write('data: 1\n\n');
      writer.write('data: 2\n\n');
      await turn();
      writer.write('data: 3\n\n');
      await turn();
      writer.write('data: 4\n\n');
      writer.end('data: [DONE]\n\n');
    });
    const text = await read();
    const [head, ...rest] = text.split('\r\n\r\n');
    expect(head).toContain('content-type: text/event-stream; charset=utf-8\r\n');
    expect(rest.join('\r\n\r\n')).toBe(
      '12\r\ndata: 1\n\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n17\r\ndata: 4\n\ndata: [DONE]\n\n\r\n0\r\n\r\n',
    );
  });

  it('counts bytes, not characters', async () => {
    const event = 'data: "naïve 漢字 😀"\n\n';
    void serves((writer) => {
      writer.write(Buffer.from(event, 'utf8').toString('latin1'));
      writer.end('data: [DONE]\n\n');
    });
    const [response] = responsesIn(await read());
    expect(Buffer.from(response?.body ?? '', 'latin1').toString('utf8')).toBe(`${event}data: [DONE]\n\n`);
  });

  it('ends an answer that has nothing (more) to say with one last chunk', async () => {
    for (const said of ['', 'data: 1\n\n']) {
      void serves(async (writer) => {
        if (said) writer.write(said);
        await turn();
        writer.end('');
      });
      const connection = openRaw(url);
      connection.write(GET + GET);
      const responses = await connection.responses(2);
      expect(responses.map(({ body }) => body)).toEqual([said, said]);
      connection.vanish();
    }
  });

  it('frames nothing for HTTP/1.0', async () => {
    void serves((writer) => {
      writer.write('data: 1\n\n');
      writer.end('data: [DONE]\n\n');
    });
    const [response] = responsesIn(await read(GET.replace('1.1', '1.0')), true);
    expect(response?.headers).not.toHaveProperty('transfer-encoding');
    expect(response?.body).toBe('data: 1\n\ndata: [DONE]\n\n');
  });

  it('keeps to its turn while an earlier answer has the connection', async () => {
    const writers: EventWriter[] = [];
    answer = (response) => void writers.push(new EventWriter(response));
    const connection = openRaw(url);
    connection.write(GET + GET);
    while (writers.length < 2) await turn();
    const [first, second] = writers as [EventWriter, EventWriter];
    for (const round of [1, 2]) {
      second.write(`data: b${round}\n\n`);
      await turn();
      first.write(`data: a${round}\n\n`);
      await turn();
    }
    first.end('data: [DONE]\n\n');
    await sleep(20);
    second.write('data: b3\n\n');
    await turn();
    second.end('data: [DONE]\n\n');
    expect((await connection.responses(2)).map(({ body }) => body)).toEqual([
      'data: a1\n\ndata: a2\n\ndata: [DONE]\n\n',
      'data: b1\n\ndata: b2\n\ndata: b3\n\ndata: [DONE]\n\n',
    ]);
    connection.vanish();
  });

  it('keeps the events of forty streams apart', async () => {
    const writers: EventWriter[] = [];
    answer = (response) => void writers.push(new EventWriter(response));
    const connections = Array.from({ length: 40 }, () => openRaw(url));
    for (const connection of connections) connection.write(GET);
    while (writers.length < 40) await turn();
    for (const round of [1, 2, 3]) {
      for (const [index, writer] of writers.entries()) writer.write(`data: ${index}.${round}\n\n`);
      await turn();
    }
    for (const writer of writers) writer.end('');
    const bodies = await Promise.all(connections.map(async (one) => (await one.responses(1))[0]?.body));
    const numbers = bodies.map(
      (body) => new Set([...(body ?? '').matchAll(/data: (\d+)\.\d/g)].map(([, n]) => n)),
    );
    expect(numbers.map(({ size }) => size)).toEqual(Array(40).fill(1));
    expect(new Set(bodies).size).toBe(40);
    expect(
      bodies.every((body) => /^data: (\d+)\.1\n\ndata: \1\.2\n\ndata: \1\.3\n\n$/.test(body ?? '')),
    ).toBe(true);
    connections.forEach(({ vanish }) => vanish());
  });

  it('says when its client reads too slowly, holds little until then, and loses nothing', async () => {
    const event = `data: ${'x'.repeat(16_000)}\n\n`;
    let most = 0;
    let sent = 0;
    let pauses = 0;
    let pause: () => void = () => undefined;
    const full = new Promise<void>((resolve) => (pause = resolve));
    void serves(async (writer, response) => {
      for (; sent < 2_000; sent += 1) {
        const reads = writer.write(event);
        await turn();
        most = Math.max(most, response.socket?.writableLength ?? 0);
        if (reads) continue;
        pauses += 1;
        pause();
        await new Promise((resolve) => response.once('drain', resolve));
      }
      writer.end('data: [DONE]\n\n');
    });
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    let text = '';
    client.on('data', (part: Buffer) => (text += part.toString('latin1')));
    client.write(GET);
    await new Promise((resolve) => client.once('data', resolve));
    client.pause();
    await full;
    await sleep(50);
    expect(pauses).toBe(1);
    // What is not held here is in the kernel's buffers.
    expect([sent < 1_500, most < 200_000]).toEqual([true, true]);
    client.resume();
    while (!text.endsWith('0\r\n\r\n')) await sleep(10);
    const [response] = responsesIn(text);
    expect(response?.body).toBe(event.repeat(2_000) + 'data: [DONE]\n\n');
    client.destroy();
  });

  it('does not wait for the end of the turn while it is given megabytes', async () => {
    const event = `data: ${'x'.repeat(1_000)}\n\n`;
    const held = new Promise<number>((resolve) => {
      void serves(async (writer, response) => {
        // The kernel's buffers take some of it, and a client that does not read nothing more.
        for (let events = 0; events < 30_000 && writer.write(event); events += 1);
        await turn();
        resolve(response.socket?.writableLength ?? 0);
      });
    });
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.write(GET);
    expect(await held).toBeLessThan(200_000);
    client.destroy();
  });

  it('has room again for whoever goes on writing at drain', async () => {
    const event = `data: ${'x'.repeat(100_000)}\n\n`;
    const rooms: boolean[] = [];
    const full = new Promise<void>((resolve) => {
      void serves(async (writer, response) => {
        // As the relay does: before anything has been written.
        response.on('drain', () => {
          rooms.push(writer.write('data: a word more\n\n'));
          writer.end('data: [DONE]\n\n');
        });
        while (writer.write(event)) await turn();
        resolve();
      });
    });
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.write(GET.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
    await full;
    let text = '';
    client.on('data', (part: Buffer) => (text += part.toString('latin1')));
    await new Promise((resolve) => client.once('close', resolve));
    expect(rooms).toEqual([true]);
    expect(responsesIn(text)[0]?.body.endsWith('xxx\n\ndata: a word more\n\ndata: [DONE]\n\n')).toBe(true);
  });

  it('lets a client leave at any moment', async () => {
    for (const moment of ['before the head', 'between events', 'before the end']) {
      let tell: (left: unknown) => void = () => undefined;
      const left = new Promise((resolve) => (tell = resolve));
      const served = serves(async (writer, response) => {
        const gone = new Promise((closed) => response.once('close', closed));
        if (moment !== 'before the head') writer.write('data: 1\n\n');
        await gone;
        if (moment !== 'before the end') writer.write('data: 2\n\n');
        await turn();
        await turn();
        writer.end('data: [DONE]\n\n');
        await sleep(10);
        tell([response.destroyed, response.writableLength]);
      });
      const connection = openRaw(url);
      connection.write(GET);
      if (moment !== 'before the head') await connection.until('data: 1');
      else await served;
      connection.vanish();
      expect(await left).toEqual([true, 0]);
    }
  });

  it('knows from the first event on that the answer has begun', async () => {
    let seen: boolean[] = [];
    void serves(async (writer) => {
      const before = writer.hasBegun;
      writer.write('data: 1\n\n');
      const held = writer.hasBegun;
      await turn();
      seen = [before, held, writer.hasBegun];
      writer.end('');
    });
    await read();
    expect(seen).toEqual([false, true, true]);
  });
});
