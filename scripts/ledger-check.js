'use strict';
// npm run ledger:check: builds when what is built is not what the sources say, then checks.

require('./start/node-version');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');

const CANNOT_RUN = 2;
const root = join(__dirname, '..');

buildIfNeeded(root).then(
  () => require(join(root, 'dist', 'src', 'ledger-check', 'main.js')),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = CANNOT_RUN;
  },
);
