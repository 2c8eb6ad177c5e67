'use strict';
/**
 * Makes load over plain sockets and prints one line of JSON about it. A process of its own, so that its cost is not
 * counted as that of a target. Usage: node load.js '{"kind":"json",...}'; see scenarios/.
 */
const { JsonLoad } = require('./load/json-load');
const { StreamLoad } = require('./load/stream-load');

const plan = JSON.parse(process.argv[2]);
const load = plan.kind === 'json' ? new JsonLoad(plan) : new StreamLoad(plan);
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
