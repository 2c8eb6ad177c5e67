'use strict';
const net = require('node:net');
const { requestBytes } = require('./request-bytes');

const LONGEST_MS = 20_000;

/**
 * What a busy day brings, by `connections` clients for `seconds`: streams and whole answers, `aborts` of them (a share
 * of 1) left at a moment of chance, and `faults` of them met by an upstream that fails or breaks off.
 */
class MixedLoad {
  constructor(plan) {
    this.plan = plan;
    this.counts = { sent: 0, answered: 0, left: 0, faults: 0, failed: 0 };
    this.until = performance.now() + plan.seconds * 1_000;
  }

  async run() {
    await Promise.all(Array.from({ length: this.plan.connections }, () => this.worker()));
    return this.counts;
  }

  async worker() {
    while (performance.now() < this.until) {
      const faulty = Math.random() < this.plan.faults;
      const leaves = !faulty && Math.random() < this.plan.aborts;
      const stream = Math.random() < 0.6;
      this.counts.sent += 1;
      const outcome = await this.one(
        stream,
        this.command(stream, faulty),
        leaves ? Math.random() * 300 : null,
      );
      if (faulty) this.counts.faults += 1;
      else if (leaves) this.counts.left += 1;
      else if (outcome === 'whole') this.counts.answered += 1;
      else this.counts.failed += 1;
    }
  }

  command(stream, faulty) {
    if (faulty) return Math.random() < 0.5 ? 'bench fail' : 'bench cut';
    if (!stream) return `bench pause=${Math.floor(Math.random() * 60)}`;
    return `bench interval=20 chunks=${1 + Math.floor(Math.random() * 20)}`;
  }

  one(stream, command, leaveAfter) {
    return new Promise((resolve) => {
      const socket = net.connect(this.plan.port, '127.0.0.1');
      let text = '';
      let outcome = 'cut';
      const hangUp = () => socket.destroy();
      const timers = [setTimeout(hangUp, LONGEST_MS)];
      if (leaveAfter !== null) timers.push(setTimeout(hangUp, leaveAfter));
      socket.setNoDelay(true);
      socket.write(requestBytes({ ...this.plan, stream, command }));
      socket.on('data', (chunk) => {
        text = (text + chunk.latin1Slice()).slice(-8_192);
        if (stream ? text.endsWith('\r\n0\r\n\r\n') : text.endsWith('}')) {
          outcome = stream && !text.includes('data: [DONE]') ? 'broken' : 'whole';
          hangUp();
        }
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        timers.forEach(clearTimeout);
        resolve(outcome);
      });
    });
  }
}

module.exports = { MixedLoad };
