'use strict';
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { quantiles } = require('./quantiles');
const { requestBytes } = require('./request-bytes');

/** Long enough for a stream without a first byte to have come as far as the upstream. */
const SILENT_MS = 300;
/** The longest wait for the last stream to be closed upstream, in milliseconds. */
const PATIENCE_MS = 10_000;
const now = () => (performance.timeOrigin + performance.now()) * 1_000;

/**
 * Streams whose client leaves: `aborts` of them, `connections` at a time, one in `silentEvery` before its first byte. Tells how long after that the connection to
 * the upstream was closed, and how many never were. Needs `upstreamPort`.
 */
class AbortLoad {
  constructor(plan) {
    this.plan = plan;
    this.leftAt = new Map();
    this.failed = 0;
    this.next = 1;
  }

  async run() {
    await this.closedUpstream();
    await Promise.all(Array.from({ length: this.plan.connections }, () => this.worker()));
    const delays = await this.delays();
    return {
      sent: this.plan.aborts,
      answered: this.plan.aborts - this.failed,
      failed: this.failed,
      leaked: this.open,
      ...quantiles(delays),
    };
  }

  async worker() {
    while (this.next <= this.plan.aborts) {
      const id = this.next;
      this.next += 1;
      await this.leave(id, id % this.plan.silentEvery === 0);
    }
  }

  leave(id, silent) {
    return new Promise((resolve) => {
      const socket = net.connect(this.plan.port, '127.0.0.1');
      const command = `bench hold ${silent ? 'silent ' : ''}id=${id}`;
      let text = '';
      const hangUp = () => {
        this.leftAt.set(id, now());
        socket.destroy();
      };
      socket.setNoDelay(true);
      socket.write(requestBytes({ ...this.plan, stream: true, command }));
      socket.on('data', (chunk) => {
        text += chunk.latin1Slice();
        // The event after the role has a time for its text: the stream runs.
        if (/"content":"\d/.test(text) && !this.leftAt.has(id)) hangUp();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (!this.leftAt.has(id)) this.failed += 1;
        resolve();
      });
      if (silent) setTimeout(hangUp, SILENT_MS);
    });
  }

  /** Milliseconds from a client's leaving to the close upstream. */
  async delays() {
    const delays = [];
    const giveUpAt = performance.now() + PATIENCE_MS;
    do {
      await sleep(200);
      const { closed, open } = await this.closedUpstream();
      this.open = open;
      for (const [id, at] of closed) if (this.leftAt.has(id)) delays.push((at - this.leftAt.get(id)) / 1_000);
    } while (this.open > 0 && performance.now() < giveUpAt);
    return delays;
  }

  async closedUpstream() {
    const answer = await fetch(`http://127.0.0.1:${this.plan.upstreamPort}/bench/closed`);
    return answer.json();
  }
}

module.exports = { AbortLoad };
