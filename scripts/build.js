'use strict';
// npm run build: what Nest's compiler makes of the sources, and their fingerprint, by which npm start knows it. With
// --if-needed, for commands that need a build: as npm start does it, and nothing when dist/ is what the sources say.

const { spawnSync } = require('node:child_process');
const { rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');
const { fingerprint, STAMP } = require('./start/sources');

const root = join(__dirname, '..');

function build() {
  const stamp = join(root, 'dist', STAMP);
  const compiler = require.resolve('@nestjs/cli/bin/nest.js');
  // Taken before: what changes during the build is not in it for certain.
  const sources = fingerprint(root);
  // A build that is broken off is of no sources at all.
  rmSync(stamp, { force: true });
  const { status } = spawnSync(process.execPath, [compiler, 'build'], { cwd: root, stdio: 'inherit' });
  if (status === 0) writeFileSync(stamp, sources);
  process.exitCode = status ?? 1;
}

if (process.argv.includes('--if-needed')) {
  buildIfNeeded(root).catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
} else build();
