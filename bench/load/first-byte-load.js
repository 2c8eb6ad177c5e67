'use strict';
const { JsonLoad } = require('./json-load');
const { requestBytes } = require('./request-bytes');

/** Short streams at a rate, on kept connections: how long each takes to its first byte. */
class FirstByteLoad extends JsonLoad {
  constructor(plan) {
    super(plan);
    this.requests = [requestBytes({ ...plan, stream: true, command: `bench burst chunks=${plan.chunks}` })];
  }

  isWhole(text) {
    return text.endsWith('\r\n0\r\n\r\n');
  }

  succeeded(connection) {
    this.answered += 1;
    this.latencies.push(connection.firstAt - connection.startedAt);
  }
}

module.exports = { FirstByteLoad };
