'use strict';
/**
 * A vLLM that costs next to nothing: fixed answers in its shapes over plain sockets, streams paced by one timer. What
 * to do stands in the message: `bench interval=20 chunks=100` streams, `bench burst chunks=1000` does so as fast as it
 * is read, `bench hold` sends two events and then keeps the stream open (`id=7` remembers when it was closed, `silent`
 * sends nothing), `bench fail` and `bench cut` are what a broken server does, `bench pause=50` waits before it answers.
 * Every event carries the time it was written, in microseconds, as its text. `GET /bench/state` tells of its sockets.
 */
const net = require('node:net');
const { Stream, burst, hold, pace, takeClosed } = require('./upstream/streams');
const { json, models, wholeAnswer } = require('./upstream/texts');

const ANSWER = json(wholeAnswer);
const FAILURE = json(
  '{"error":{"message":"Internal server error","type":"InternalServerError","param":null,"code":500}}',
  '500 Internal Server Error',
);
const sockets = new Set();

function answerGet(socket, path) {
  if (path === '/bench/state') return socket.write(json(JSON.stringify({ sockets: sockets.size - 1 })));
  if (path === '/bench/closed') return socket.write(json(JSON.stringify(takeClosed())));
  if (path === '/v1/models') return socket.write(json(models));
  return socket.write(json('{}', '404 Not Found'));
}

const number = (text, name) => Number(new RegExp(`bench [^"]*${name}=(\\d+)`).exec(text)?.[1] ?? NaN);

function answer(socket, body) {
  if (body.includes('bench fail')) return socket.write(FAILURE, 'latin1');
  const wantsStream = /"stream": ?true/.test(body);
  if (!wantsStream) {
    if (body.includes('bench cut')) return socket.destroy();
    if (!body.includes('bench pause')) return socket.write(ANSWER, 'latin1');
    return setTimeout(() => socket.write(ANSWER, 'latin1'), number(body, 'pause'));
  }
  const counted = /"continuous_usage_stats": ?true/.test(body);
  const stream = new Stream(socket, number(body, 'chunks') || 50, counted);
  if (body.includes('bench hold')) {
    const id = number(body, 'id');
    return hold(stream, { id: Number.isNaN(id) ? null : id, silent: body.includes('silent') });
  }
  if (body.includes('bench cut')) {
    stream.open();
    return setTimeout(() => socket.destroy(), 20);
  }
  return body.includes('bench burst') ? burst(stream) : pace(stream, number(body, 'interval') || 20);
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let text = '';
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    text += piece.latin1Slice();
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      const whole = end + 4 + length;
      if (text.length < whole) return;
      const body = text.slice(end + 4, whole);
      text = text.slice(whole);
      if (head.startsWith('GET ')) answerGet(socket, head.split(' ', 2)[1]);
      else answer(socket, body);
    }
  });
});
server.listen({ port: Number(process.argv[2] ?? 0), host: '127.0.0.1', backlog: 4_096 }, () =>
  console.log(`upstream on ${server.address().port}`),
);
