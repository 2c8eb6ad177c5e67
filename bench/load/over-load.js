'use strict';
const { JsonLoad } = require('./json-load');
const { quantiles } = require('./quantiles');
const { requestBytes } = require('./request-bytes');

const AT_ONCE = 50;

/**
 * More than the target can serve, at a constant rate: what was answered in time, how soon the rest was refused, and
 * what was neither. Counts by second. The connections are there beforehand, as those of a load balancer are: how fast
 * a target takes new ones is another question. With `events` the answers are streams of so many.
 */
class OverLoad extends JsonLoad {
  constructor(plan) {
    super(plan);
    if (plan.events)
      this.requests = [requestBytes({ ...plan, stream: true, command: `bench burst chunks=${plan.events}` })];
    this.refusals = [];
    this.settledRefusals = [];
    this.withoutRetryAfter = 0;
    this.unanswered = 0;
    this.notSent = 0;
    this.bySecond = [];
    this.beganAt = performance.now();
  }

  async run() {
    const greeting = Buffer.from(`GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:${this.plan.port}\r\n\r\n`);
    for (let made = 0; made < this.plan.mostOpen; made += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, () => this.connection());
      await Promise.all(some.map((one) => this.greet(one, greeting)));
    }
    this.beganAt = performance.now();
    return super.run();
  }

  /** A first small request, whose answer says that the connection has been taken. */
  greet(connection, greeting) {
    return new Promise((resolve) => {
      connection.socket.once('data', () => {
        this.idle.push(connection);
        resolve();
      });
      connection.socket.once('close', resolve);
      connection.socket.write(greeting);
    });
  }

  unsent() {
    this.notSent += 1;
  }

  succeeded(connection, at) {
    super.succeeded(connection, at);
    const second = Math.floor((at - this.beganAt) / 1_000);
    this.bySecond[second] = (this.bySecond[second] ?? 0) + 1;
  }

  refused(connection, at) {
    this.failed += 1;
    if (connection.gaveUp || connection.buffer === '') {
      this.unanswered += 1;
      return;
    }
    this.refusals.push(at - connection.startedAt);
    if (connection.startedAt - this.beganAt >= this.plan.settledAfterMs)
      this.settledRefusals.push(at - connection.startedAt);
    if (!/\r\nretry-after: \d+\r\n/i.test(connection.buffer)) this.withoutRetryAfter += 1;
  }

  result(seconds) {
    return {
      ...super.result(seconds),
      refused: this.refusals.length,
      refusal: quantiles(this.refusals),
      settledRefusal: quantiles(this.settledRefusals),
      withoutRetryAfter: this.withoutRetryAfter,
      unanswered: this.unanswered,
      notSent: this.notSent,
      bySecond: Array.from(this.bySecond, (count) => count ?? 0),
    };
  }
}

module.exports = { OverLoad };
