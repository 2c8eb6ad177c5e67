'use strict';
const net = require('node:net');

const AT_ONCE = 200;

/** Connections that have asked for one small thing and are then kept, until this process is killed. */
class IdleLoad {
  constructor(plan) {
    this.plan = plan;
    this.failed = 0;
    this.request = `GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:${plan.port}\r\n\r\n`;
  }

  async run() {
    for (let made = 0; made < this.plan.count; made += AT_ONCE) {
      const some = Math.min(AT_ONCE, this.plan.count - made);
      await Promise.all(Array.from({ length: some }, () => this.connection()));
    }
    return { sent: 0, answered: this.plan.count - this.failed, failed: this.failed };
  }

  connection() {
    return new Promise((resolve) => {
      const socket = net.connect(this.plan.port, '127.0.0.1', () => socket.write(this.request));
      socket.once('data', () => resolve());
      socket.once('error', () => {
        this.failed += 1;
        resolve();
      });
    });
  }
}

module.exports = { IdleLoad };
