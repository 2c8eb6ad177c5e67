'use strict';
const { JsonLoad } = require('./json-load');
const { quantiles } = require('./quantiles');

/**
 * More than the target can serve, at a constant rate: what was answered in time, how soon the rest was refused, and
 * what was neither. Counts by second.
 */
class OverLoad extends JsonLoad {
  constructor(plan) {
    super(plan);
    this.refusals = [];
    this.withoutRetryAfter = 0;
    this.unanswered = 0;
    this.notSent = 0;
    this.bySecond = [];
    this.beganAt = performance.now();
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
    if (!/\r\nretry-after: \d+\r\n/i.test(connection.buffer)) this.withoutRetryAfter += 1;
  }

  result(seconds) {
    return {
      ...super.result(seconds),
      refused: this.refusals.length,
      refusal: quantiles(this.refusals),
      withoutRetryAfter: this.withoutRetryAfter,
      unanswered: this.unanswered,
      notSent: this.notSent,
      bySecond: Array.from(this.bySecond, (count) => count ?? 0),
    };
  }
}

module.exports = { OverLoad };
