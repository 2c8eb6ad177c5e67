'use strict';
// npm run limits:rezone: builds when what is built is not what the sources say, then counts.

require('./start/node-version');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');

const FAILED = 1;
const root = join(__dirname, '..');

buildIfNeeded(root).then(
  () => require(join(root, 'dist', 'src', 'limits-rezone', 'main.js')),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = FAILED;
  },
);
