'use strict';
// npm start: builds when what is built is not what the sources say, then becomes the gateway. Plain Node, and the
// gateway runs in this very process, so that signals and exit codes are its own.

require('./start/node-version');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');

const root = join(__dirname, '..');

buildIfNeeded(root).then(
  () => require(join(root, 'dist', 'src', 'main.js')),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
