'use strict';
/**
 * Makes load over plain sockets and prints one line of JSON about it. A process of its own, so that its cost is not
 * counted as that of a target. Usage: node load.js '{"kind":"json",...}'; see scenarios/.
 */
const { AbortLoad } = require('./load/abort-load');
const { FirstByteLoad } = require('./load/first-byte-load');
const { IdleLoad } = require('./load/idle-load');
const { JsonLoad } = require('./load/json-load');
const { MixedLoad } = require('./load/mixed-load');
const { OverLoad } = require('./load/over-load');
const { SlowLoad } = require('./load/slow-load');
const { StreamLoad } = require('./load/stream-load');

const KINDS = {
  abort: AbortLoad,
  'first-byte': FirstByteLoad,
  idle: IdleLoad,
  json: JsonLoad,
  mixed: MixedLoad,
  over: OverLoad,
  slow: SlowLoad,
  stream: StreamLoad,
};

const plan = JSON.parse(process.argv[2]);
const load = new KINDS[plan.kind](plan);
load.run().then(
  (result) => {
    console.log(JSON.stringify(result));
    if (!plan.hold) process.exit(0);
  },
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
