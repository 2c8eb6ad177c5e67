'use strict';
const net = require('node:net');
const { requestBytes } = require('./request-bytes');

/**
 * Whole answers. With `rate` (requests a second) requests start on time, whether or not earlier ones are answered;
 * without it `connections` clients ask as fast as they are answered. `seconds` long, or until `requests` are sent.
 */
class JsonLoad {
  constructor(plan) {
    this.plan = plan;
    this.bytes = requestBytes({ ...plan, stream: false, command: 'bench json' });
    this.idle = [];
    this.latencies = [];
    this.sent = 0;
    this.failed = 0;
    this.answered = 0;
    this.open = 0;
    this.done = () => undefined;
  }

  async run() {
    const startedAt = performance.now();
    this.until = startedAt + (this.plan.seconds ?? Infinity) * 1_000;
    if (this.plan.rate) await this.atRate(this.plan.rate);
    else for (let at = 0; at < this.plan.connections; at += 1) this.ask(this.connection());
    await new Promise((resolve) => {
      this.done = resolve;
      // At a rate the last answer may have come before the time was over.
      if (this.open === 0) resolve();
    });
    const sorted = Float64Array.from(this.latencies).sort();
    const quantile = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
    return {
      sent: this.sent,
      answered: this.answered,
      failed: this.failed,
      counted: sorted.length,
      perSecond: sorted.length / ((performance.now() - startedAt) / 1_000),
      p50: quantile(0.5),
      p99: quantile(0.99),
    };
  }

  async atRate(rate) {
    const startedAt = performance.now();
    let planned = 0;
    await new Promise((resolve) => {
      const timer = setInterval(() => {
        const due = Math.min(
          Math.floor(((performance.now() - startedAt) * rate) / 1_000),
          Math.floor(((this.until - startedAt) * rate) / 1_000),
        );
        for (; planned < due; planned += 1) this.ask(this.idle.pop() ?? this.connection());
        if (performance.now() >= this.until) {
          clearInterval(timer);
          resolve();
        }
      }, 1);
    });
  }

  connection() {
    const socket = net.connect(this.plan.port, '127.0.0.1');
    socket.setNoDelay(true);
    const connection = { socket, startedAt: 0, buffer: '', waiting: false };
    socket.on('data', (chunk) => this.read(connection, chunk));
    socket.on('error', () => this.lost(connection));
    socket.on('close', () => this.lost(connection));
    return connection;
  }

  ask(connection) {
    connection.startedAt = performance.now();
    connection.buffer = '';
    connection.waiting = true;
    this.open += 1;
    this.sent += 1;
    connection.socket.write(this.bytes);
  }

  read(connection, chunk) {
    connection.buffer += chunk.toString('latin1');
    const end = connection.buffer.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(connection.buffer)?.[1] ?? 0);
    if (connection.buffer.length < end + 4 + length) return;
    this.finish(connection, connection.buffer.startsWith('HTTP/1.1 200'));
  }

  finish(connection, good) {
    const at = performance.now();
    connection.waiting = false;
    this.open -= 1;
    if (good) {
      this.answered += 1;
      this.latencies.push(at - connection.startedAt);
    } else {
      this.failed += 1;
      this.example ??= connection.buffer.slice(0, 400);
      if (this.failed === 1) console.error(this.example);
    }
    if (at >= this.until || this.sent >= (this.plan.requests ?? Infinity)) {
      if (this.open === 0) this.done();
    } else if (this.plan.rate) this.idle.push(connection);
    else this.ask(connection);
  }

  lost(connection) {
    const index = this.idle.indexOf(connection);
    if (index !== -1) this.idle.splice(index, 1);
    if (connection.waiting) this.finish(connection, false);
  }
}

module.exports = { JsonLoad };
