'use strict';
const { wholeYear } = require('./pages');

const BY_USER = `/admin/usage?${wholeYear()}&group_by=user`;
const BY_KEY = `/admin/usage?${wholeYear()}&group_by=key`;
const FILES = {
  'all records': '/admin/usage/records',
  'a year by user': BY_USER,
  'a year by user, by name': `${BY_USER}&sort=name`,
  'a year by key, by name': `${BY_KEY}&sort=name`,
  'a year by user, by tokens': `${BY_USER}&sort=-tokens`,
};

/** Reads each file whole, one after the other. */
async function downloads(one, target, progress) {
  const all = [];
  for (const [name, path] of Object.entries(FILES)) {
    progress(`CSV: ${name}`);
    all.push({
      name,
      ...(await download(one, target, `${path}${path.includes('?') ? '&' : '?'}format=csv`)),
    });
  }
  return all;
}

/** Reads a CSV file, and watches the gateway's memory meanwhile; bytes and milliseconds. */
async function download(one, target, path) {
  const before = target.memory();
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, target.memory())), 50);
  const startedAt = performance.now();
  let [lines, bytes] = [-1, 0];
  try {
    const { body } = await one.open(path);
    for await (const part of body) {
      bytes += part.length;
      for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) lines += 1;
    }
  } finally {
    clearInterval(watch);
  }
  return { rows: lines, bytes, took: performance.now() - startedAt, growth: most - before };
}

module.exports = { downloads };
