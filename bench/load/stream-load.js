'use strict';
const net = require('node:net');
const { requestBytes } = require('./request-bytes');

function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
  return { p50: at(0.5), p99: at(0.99) };
}

/**
 * Event streams. `streams` of them at once, each of `chunks` events `interval` milliseconds apart; with `hold` each
 * stays open after its first events until the process is killed.
 */
class StreamLoad {
  constructor(plan) {
    this.plan = plan;
    const command = plan.hold ? 'bench hold' : `bench interval=${plan.interval} chunks=${plan.chunks}`;
    this.bytes = requestBytes({ ...plan, stream: true, command });
    this.delays = [];
    this.firsts = [];
    this.events = 0;
    this.whole = 0;
    this.failed = 0;
  }

  async run() {
    const all = [];
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
      chunkDelay: quantiles(this.delays),
      firstEvent: quantiles(this.firsts),
    };
  }

  stream() {
    return new Promise((resolve) => {
      const startedAt = performance.now();
      const socket = net.connect(this.plan.port, '127.0.0.1');
      const state = { seen: 0, whole: false, ended: false };
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
        const text = chunk.toString('latin1');
        if (state.seen === 0) this.firsts.push(performance.now() - startedAt);
        this.read(text, state);
        if (this.plan.hold && state.seen >= 2) finish(true);
        if (text.includes('data: [DONE]')) finish(state.seen >= this.plan.chunks);
      });
      socket.on('error', () => finish(false));
      socket.on('close', () => finish(false));
    });
  }

  /** Counts events, and takes the time each was under way from its text. */
  read(text, state) {
    const at = (performance.timeOrigin + performance.now()) * 1_000;
    for (
      let found = text.indexOf('"content":"');
      found !== -1;
      found = text.indexOf('"content":"', found + 11)
    ) {
      state.seen += 1;
      this.events += 1;
      const writtenAt = Number(text.slice(found + 11, text.indexOf('"', found + 11)));
      if (writtenAt > 0) this.delays.push((at - writtenAt) / 1_000);
    }
  }
}

module.exports = { StreamLoad };
