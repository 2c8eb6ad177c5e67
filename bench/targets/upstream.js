'use strict';
const { join } = require('node:path');
const { start, stop } = require('../processes');

/** The fast upstream, in a process of its own. */
async function startUpstream(port = 0) {
  const program = join(__dirname, '..', 'upstream.js');
  const { child, found } = await start(process.execPath, [program, String(port)], {
    label: 'the upstream',
    ready: /upstream on (\d+)/,
  });
  const url = `http://127.0.0.1:${found[1]}`;
  return {
    port: Number(found[1]),
    sockets: async () => (await (await fetch(`${url}/bench/state`)).json()).sockets,
    stop: () => stop(child),
  };
}

module.exports = { startUpstream };
