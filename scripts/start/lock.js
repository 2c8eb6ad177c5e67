'use strict';
// A lock between processes that share a folder, on one machine or several. It survives kill -9 of its holder: the
// holder keeps touching the file, and one that is no longer touched belongs to nobody.

const { randomUUID } = require('node:crypto');
const {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} = require('node:fs');
const { hostname } = require('node:os');
const { setTimeout: sleep } = require('node:timers/promises');

const TOUCH_MS = 1_000;
const ABANDONED_MS = 10_000;
const POLL_MS = 200;

/**
 * Runs `work` while holding the lock file.
 * Whoever takes over an abandoned lock may, in a tiny window, find another who does too: `work` must bear that.
 */
async function withLock(path, { onWait, work }) {
  const mine = JSON.stringify({ id: randomUUID(), pid: process.pid, host: hostname() });
  let waiting = false;
  while (!take(path, mine)) {
    if (isAbandoned(path)) {
      discard(path);
      continue;
    }
    if (!waiting) onWait();
    waiting = true;
    await sleep(POLL_MS);
  }
  const release = () => {
    if (contentOf(path) === mine) rmSync(path, { force: true });
  };
  const touching = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // Gone or taken over: nothing to keep.
    }
  }, TOUCH_MS);
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    process.off('exit', release);
    release();
  }
}

function take(path, content) {
  const draft = `${path}-${randomUUID()}`;
  writeFileSync(draft, content, { flag: 'wx' });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function isAbandoned(path) {
  try {
    if (Date.now() - statSync(path).mtimeMs > ABANDONED_MS) return true;
    const { pid, host } = JSON.parse(readFileSync(path, 'utf8'));
    return host === hostname() && !isAlive(pid);
  } catch {
    return false; // Gone meanwhile: the next try tells.
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function discard(path) {
  const grave = `${path}-${randomUUID()}`;
  try {
    renameSync(path, grave);
    rmSync(grave, { force: true });
  } catch {
    // Another one was faster.
  }
}

function contentOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

module.exports = { withLock };
