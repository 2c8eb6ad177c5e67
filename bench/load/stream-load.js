'use strict';
const net = require('node:net');
const { ChunkedText } = require('./chunked-text');
const { quantiles } = require('./quantiles');
const { requestBytes } = require('./request-bytes');
const { routeOf } = require('./routes');

/**
 * Event streams. `streams` of them at once, each of `chunks` events `interval` milliseconds apart, or with
 * `burst` as fast as they are read; with `hold` each stays open after its first events until the process is killed.
 */
class StreamLoad {
  constructor(plan) {
    this.plan = plan;
    const pace = plan.burst ? 'burst' : `interval=${plan.interval}`;
    const command = plan.hold ? 'bench hold' : `bench ${pace} chunks=${plan.chunks}`;
    this.bytes = requestBytes({ ...plan, stream: true, command });
    this.route = routeOf(plan.path);
    this.delays = [];
    this.firsts = [];
    this.events = 0;
    this.whole = 0;
    this.failed = 0;
  }

  async run() {
    const all = [];
    const beganAt = performance.now();
    for (let at = 0; at < this.plan.streams; at += 1) {
      all.push(this.stream());
      // A hundred at a time: the queue of the listening socket is not what is measured.
      if (at % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await Promise.all(all);
    return {
      sent: this.plan.streams,
      answered: this.whole,
      failed: this.failed,
      events: this.events,
      eventsPerSecond: this.events / ((performance.now() - beganAt) / 1_000),
      chunkDelay: quantiles(this.delays),
      firstEvent: quantiles(this.firsts),
    };
  }

  stream() {
    return new Promise((resolve) => {
      const startedAt = performance.now();
      const socket = net.connect(this.plan.port, '127.0.0.1');
      const state = { seen: 0, ended: false, chunks: new ChunkedText(), tail: '' };
      const finish = (whole) => {
        if (state.ended) return;
        state.ended = true;
        if (whole) this.whole += 1;
        else this.failed += 1;
        if (!this.plan.hold) socket.destroy();
        resolve();
      };
      socket.setNoDelay(true);
      socket.write(this.bytes);
      socket.on('data', (chunk) => {
        if (state.seen === 0) this.firsts.push(performance.now() - startedAt);
        const text = state.tail + state.chunks.push(chunk.latin1Slice());
        const whole = text.lastIndexOf('\n\n') + 2;
        state.tail = text.slice(whole);
        this.read(whole === text.length ? text : text.slice(0, whole), state);
        if (this.plan.hold && state.seen >= 2) finish(true);
        if (text.includes(this.route.last)) finish(state.seen >= this.plan.chunks);
      });
      socket.on('error', () => finish(false));
      socket.on('close', () => finish(false));
    });
  }

  /** Counts events, and takes the time each was under way from its text. */
  read(text, state) {
    const at = (performance.timeOrigin + performance.now()) * 1_000;
    const { text: before } = this.route;
    for (let found = text.indexOf(before); found !== -1; found = text.indexOf(before, found + 1)) {
      const from = found + before.length;
      state.seen += 1;
      this.events += 1;
      const writtenAt = Number(text.slice(from, text.indexOf('"', from)));
      if (writtenAt > 0) this.delays.push((at - writtenAt) / 1_000);
    }
  }
}

module.exports = { StreamLoad };
