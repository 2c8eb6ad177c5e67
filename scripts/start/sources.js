'use strict';
// Whether dist/ is what the sources make.

const { createHash } = require('node:crypto');
const { existsSync, readdirSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');

const DIRECTORIES = ['src', 'migrations'];
const FILES = ['ormconfig.ts', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json', 'package-lock.json'];
/** Lies in dist/ and holds the fingerprint of the sources that dist/ was made from. */
const STAMP = '.sources';

/** All paths that take part in a build, directories included: a deleted file shows in its directory alone. */
function sourcePaths(root) {
  const paths = [];
  const walk = (path) => {
    paths.push(path);
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory()) walk(child);
      else if (!child.endsWith('.spec.ts')) paths.push(child);
    }
  };
  DIRECTORIES.filter((path) => existsSync(join(root, path))).forEach(walk);
  return [...paths, ...FILES.filter((path) => existsSync(join(root, path)))].sort();
}

function fingerprint(root) {
  const hash = createHash('sha256');
  for (const path of sourcePaths(root)) {
    hash.update(`\0${path}\0`);
    if (!statSync(join(root, path)).isDirectory()) hash.update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}

/**
 * True when dist/ needs no build: it carries the sources' fingerprint. Without any fingerprint, one that is newer than all
 * sources will do; with one, times mean nothing, as older sources that are put back keep theirs.
 */
function isBuilt(root) {
  const main = join(root, 'dist', 'src', 'main.js');
  if (!existsSync(main)) return false;
  // An image or a package may hold what was built without what it was built from.
  if (!existsSync(join(root, 'src'))) return true;
  const stamp = join(root, 'dist', STAMP);
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === fingerprint(root);
  const builtAt = Math.min(
    ...[main, join(root, 'dist', 'ormconfig.js')].map((path) => statSync(path).mtimeMs),
  );
  return sourcePaths(root).every((path) => statSync(join(root, path)).mtimeMs < builtAt);
}

module.exports = { fingerprint, isBuilt, STAMP };
