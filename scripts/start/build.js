'use strict';
// Builds dist/ beside itself and puts it in place whole, so that no process ever sees half of one.

const { spawn } = require('node:child_process');
const { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { withLock } = require('./lock');
const { fingerprint, isBuilt, STAMP } = require('./sources');

const COMPILER = ['node_modules', 'typescript', 'bin', 'tsc'];
const STOP_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'];
const LEFTOVER = /^dist\.(building|old)-/;
const LEFTOVER_MS = 5 * 60_000;

/** @throws Error whose message says what to do */
async function buildIfNeeded(root) {
  if (!existsSync(join(root, 'node_modules'))) throw new Error('Nothing is installed yet: run npm ci first.');
  if (isBuilt(root)) return;
  if (!existsSync(join(root, ...COMPILER))) {
    throw new Error(
      'There is no up-to-date build and the compiler is not installed: run npm ci --include=dev, then npm start.',
    );
  }
  await withLock(join(root, 'dist.lock'), {
    onWait: () => console.log('waiting for another npm start, which is building'),
    work: async () => {
      if (!isBuilt(root)) await build(root);
    },
  }).catch((error) => {
    if (!['EACCES', 'EROFS', 'EPERM'].includes(error.code)) throw error;
    throw new Error(`The build needs to write to ${root}: ${error.message}. Build once as a user who may.`);
  });
}

async function build(root) {
  const startedAt = Date.now();
  console.log('building (takes some seconds, only after a change) …');
  removeLeftovers(root);
  const draft = join(root, `dist.building-${process.pid}`);
  const stamp = fingerprint(root);
  try {
    await compile(root, draft);
    writeFileSync(join(draft, STAMP), stamp);
    putInPlace(draft, join(root, 'dist'));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.log(`built in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`);
}

function compile(root, outDir) {
  const child = spawn(
    process.execPath,
    [join(root, ...COMPILER), '-p', 'tsconfig.build.json', '--outDir', outDir],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  return new Promise((resolve, reject) => {
    const interrupted = (signal) => {
      child.kill();
      reject(new Error(`${signal}: the build was interrupted.`));
    };
    for (const signal of STOP_SIGNALS) process.once(signal, interrupted);
    child.once('error', reject);
    child.once('exit', (code) => {
      for (const signal of STOP_SIGNALS) process.off(signal, interrupted);
      if (code === 0) resolve();
      else reject(new Error('The build failed; nothing was started.'));
    });
  });
}

function putInPlace(draft, dist) {
  const old = `${dist}.old-${process.pid}`;
  for (;;) {
    try {
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(draft, dist);
      break;
    } catch (error) {
      // Another process put its own build there between the two steps: ours is as good, and comes after.
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code) || !existsSync(draft)) throw error;
      rmSync(old, { recursive: true, force: true });
    }
  }
  rmSync(old, { recursive: true, force: true });
}

/** What builds that were killed left behind; a compiler whose parent was killed may still be at work. */
function removeLeftovers(root) {
  for (const name of readdirSync(root).filter((entry) => LEFTOVER.test(entry))) {
    const path = join(root, name);
    try {
      if (Date.now() - statSync(path).mtimeMs > LEFTOVER_MS) rmSync(path, { recursive: true, force: true });
    } catch {
      // Somebody else removes it.
    }
  }
}

module.exports = { buildIfNeeded };
