'use strict';
// npm run admin:create: builds when what is built is not what the sources say, then makes an administrator.

require('./start/node-version');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');

const FAILED = 1;
const root = join(__dirname, '..');

buildIfNeeded(root).then(
  () => require(join(root, 'dist', 'src', 'admin-create', 'main.js')),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = FAILED;
  },
);
