'use strict';
const { readFileSync } = require('node:fs');
const net = require('node:net');
const { quantiles } = require('./quantiles');
const { requestBytes } = require('./request-bytes');

/** A timer of Node fires up to this late on an idle machine: that much is not the target's doing. Milliseconds. */
const TIMER_GRAIN_MS = 2;

/**
 * Whole answers. With `rate` (requests a second) requests start on time, whether or not earlier ones are answered, and
 * their latency counts from when they were due; without it `connections` clients ask as fast as they are answered.
 * `seconds` long, or until `requests` are sent. `keysFile` names a file of keys, taken in turn; `mostOpen` and
 * `giveUpMs` bound what a target that does not keep up is given.
 */
class JsonLoad {
  constructor(plan) {
    this.plan = plan;
    const keys = plan.keysFile ? JSON.parse(readFileSync(plan.keysFile, 'utf8')) : [plan.key];
    this.requests = keys.map((key) => requestBytes({ ...plan, key, stream: false, command: 'bench json' }));
    this.idle = [];
    this.latencies = [];
    this.sent = 0;
    this.failed = 0;
    this.answered = 0;
    this.open = 0;
    this.connections = new Set();
    this.done = () => undefined;
  }

  async run() {
    const startedAt = performance.now();
    this.until = startedAt + (this.plan.seconds ?? Infinity) * 1_000;
    if (this.plan.giveUpMs) setInterval(() => this.giveUp(performance.now()), 50);
    if (this.plan.rate) await this.atRate(this.plan.rate);
    else for (let at = 0; at < this.plan.connections; at += 1) this.ask(this.connection());
    await new Promise((resolve) => {
      this.done = resolve;
      // At a rate the last answer may have come before the time was over.
      if (this.open === 0) resolve();
    });
    return this.result((performance.now() - startedAt) / 1_000);
  }

  result(seconds) {
    return {
      sent: this.sent,
      answered: this.answered,
      failed: this.failed,
      perSecond: this.answered / seconds,
      ...quantiles(this.latencies),
    };
  }

  async atRate(rate) {
    const startedAt = performance.now();
    const all = Math.floor(((this.until - startedAt) * rate) / 1_000);
    let planned = 0;
    await new Promise((resolve) => {
      const timer = setInterval(() => {
        const now = performance.now();
        // The first one is due at once.
        const due = Math.min(all, Math.floor(((now - startedAt) * rate) / 1_000) + 1);
        for (; planned < due; planned += 1) this.start(startedAt + (planned * 1_000) / rate, now);
        if (now >= this.until) {
          clearInterval(timer);
          resolve();
        }
      }, 1);
    });
  }

  start(due, now) {
    if (this.open >= (this.plan.mostOpen ?? Infinity)) return this.unsent?.();
    this.ask(this.idle.pop() ?? this.connection(), now - due > TIMER_GRAIN_MS ? due : now);
  }

  /** Lets go of what has waited for too long. */
  giveUp(now) {
    for (const connection of this.connections) {
      if (!connection.waiting || now - connection.startedAt < this.plan.giveUpMs) continue;
      connection.gaveUp = true;
      connection.socket.destroy();
    }
  }

  connection() {
    const socket = net.connect(this.plan.port, '127.0.0.1');
    socket.setNoDelay(true);
    const connection = { socket, startedAt: 0, firstAt: 0, buffer: '', waiting: false, gaveUp: false };
    this.connections.add(connection);
    socket.on('data', (chunk) => this.read(connection, chunk));
    socket.on('error', () => this.lost(connection));
    socket.on('close', () => this.lost(connection));
    return connection;
  }

  ask(connection, startedAt = performance.now()) {
    connection.startedAt = startedAt;
    connection.firstAt = 0;
    connection.buffer = '';
    connection.waiting = true;
    this.open += 1;
    connection.socket.write(this.requests[this.sent % this.requests.length]);
    this.sent += 1;
  }

  read(connection, chunk) {
    if (!connection.waiting) return;
    if (connection.firstAt === 0) connection.firstAt = performance.now();
    connection.buffer += chunk.latin1Slice();
    if (this.isWhole(connection.buffer))
      this.finish(connection, connection.buffer.startsWith('HTTP/1.1 200'));
  }

  isWhole(text) {
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return false;
    if (/\r\ntransfer-encoding: chunked/i.test(text.slice(0, end))) return text.endsWith('0\r\n\r\n');
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    return text.length >= end + 4 + length;
  }

  finish(connection, good) {
    const at = performance.now();
    connection.waiting = false;
    this.open -= 1;
    if (good) this.succeeded(connection, at);
    else this.refused(connection, at);
    if (at >= this.until || this.sent >= (this.plan.requests ?? Infinity)) {
      if (this.open === 0) this.done();
    } else if (this.plan.rate) {
      if (!connection.socket.destroyed) this.idle.push(connection);
    } else this.ask(connection.socket.destroyed ? this.connection() : connection);
  }

  succeeded(connection, at) {
    this.answered += 1;
    this.latencies.push(at - connection.startedAt);
  }

  refused(connection) {
    this.failed += 1;
    if (this.failed === 1) console.error(`not answered with 200: ${connection.buffer.slice(0, 400)}`);
  }

  lost(connection) {
    this.connections.delete(connection);
    const index = this.idle.indexOf(connection);
    if (index !== -1) this.idle.splice(index, 1);
    if (connection.waiting) this.finish(connection, false);
  }
}

module.exports = { JsonLoad };
