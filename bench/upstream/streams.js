'use strict';
// The streams of the upstream of the benchmark.

const { DONE, LAST_CHUNK, STREAM_HEAD, chunk, now, roleEvent, textEvent, totalEvent } = require('./texts');

/** Events of a burst in one write, as a model server under load sends them. */
const EVENTS_A_WRITE = 8;

/** Streams by interval in milliseconds, so that one timer serves them all. */
const paced = new Map();
/** Streams that stay open until their client leaves: number → nothing; and when those that did leave were closed. */
const held = new Set();
let closed = [];

class Stream {
  constructor(socket, chunks, counted) {
    this.socket = socket;
    this.chunks = chunks;
    this.counted = counted;
    this.sent = 0;
  }

  open() {
    this.socket.write(STREAM_HEAD + chunk(roleEvent(this.counted)), 'latin1');
  }

  /** The next event as a chunk; with the last one all that ends the answer. */
  next() {
    this.sent += 1;
    const isLast = this.sent >= this.chunks;
    const event = chunk(textEvent(this.sent, this.counted, isLast));
    if (!isLast) return event;
    return event + chunk((this.counted ? totalEvent(this.sent) : '') + DONE) + LAST_CHUNK;
  }

  get isOver() {
    return this.sent >= this.chunks || this.socket.destroyed;
  }
}

function pace(stream, interval) {
  let streams = paced.get(interval);
  if (!streams) {
    streams = new Set();
    paced.set(interval, streams);
    setInterval(() => streams.forEach((one) => step(one, streams)), interval);
  }
  stream.open();
  streams.add(stream);
}

function step(stream, streams) {
  if (!stream.socket.destroyed) stream.socket.write(stream.next(), 'latin1');
  if (stream.isOver) streams.delete(stream);
}

/** As fast as it is read. */
function burst(stream) {
  stream.open();
  const write = () => {
    let text = '';
    for (let at = 0; at < EVENTS_A_WRITE && !stream.isOver; at += 1) text += stream.next();
    const flows = text === '' || stream.socket.write(text, 'latin1');
    if (stream.isOver) return;
    if (flows) setImmediate(write);
    else stream.socket.once('drain', write);
  };
  write();
}

/** Says two events, or nothing at all, and then waits for its client to leave. */
function hold(stream, { id, silent }) {
  if (!silent) {
    stream.open();
    stream.socket.write(chunk(textEvent(1, stream.counted, false)), 'latin1');
  }
  if (id === null) return;
  held.add(id);
  stream.socket.once('close', () => {
    held.delete(id);
    closed.push([id, now()]);
  });
}

/** When the numbered streams closed that have closed since the last call, and how many are still open. */
function takeClosed() {
  const answer = { closed, open: held.size };
  closed = [];
  return answer;
}

module.exports = { Stream, pace, burst, hold, takeClosed };
