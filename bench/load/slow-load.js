'use strict';
const net = require('node:net');
const { requestBytes } = require('./request-bytes');

const READ_BYTES = 1_024;
const READ_EVERY_MS = 1_000;

/**
 * Streams of megabytes whose clients read a kilobyte a second. Says so once all have begun, and goes on until it is
 * killed.
 */
class SlowLoad {
  constructor(plan) {
    this.plan = plan;
    this.bytes = requestBytes({ ...plan, stream: true, command: `bench burst chunks=${plan.chunks}` });
    this.failed = 0;
  }

  async run() {
    await Promise.all(Array.from({ length: this.plan.streams }, () => this.stream()));
    return { sent: this.plan.streams, answered: this.plan.streams - this.failed, failed: this.failed };
  }

  stream() {
    return new Promise((resolve) => {
      let begun = false;
      const begin = (good) => {
        if (begun) return;
        begun = true;
        if (!good) this.failed += 1;
        resolve();
      };
      const socket = net.connect({
        port: this.plan.port,
        host: '127.0.0.1',
        onread: {
          buffer: Buffer.alloc(READ_BYTES),
          callback: () => {
            begin(true);
            setTimeout(() => socket.resume(), READ_EVERY_MS);
            return false;
          },
        },
      });
      socket.write(this.bytes);
      socket.on('error', () => begin(false));
      socket.on('close', () => begin(false));
    });
  }
}

module.exports = { SlowLoad };
