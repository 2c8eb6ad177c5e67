'use strict';
// node scripts/check-versions.js [--node]: ends with 1, and a sentence for each, when a package of this folder is older
// than the last fix of it that a gateway needs; with --node, Node itself, too. The image is not built with such.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const PACKAGES = {
  '@nestjs/core': '11.1.21',
  '@nestjs/common': '11.1.21',
  '@nestjs/platform-express': '11.1.21',
  typeorm: '0.3.31',
  undici: '7.28.0',
  'body-parser': '2.2.1',
  jsonwebtoken: '9.0.0',
};

/** By line of Node: others, and older lines, get no fixes any more. */
const NODE = { 22: '22.23.4', 24: '24.22.1', 26: '26.12.1' };

/** Negative when a version is older than another one. What stands behind a - is not looked at. */
function compared(version, other) {
  const [left, right] = [version, other].map((text) => text.split('-')[0].split('.').map(Number));
  const place = left.findIndex((part, i) => part !== right[i]);
  return place === -1 ? 0 : left[place] - right[place];
}

function faultOfPackage([name, least]) {
  const { version } = JSON.parse(
    readFileSync(join(process.cwd(), 'node_modules', name, 'package.json'), 'utf8'),
  );
  return compared(version, least) < 0 ? [`${name} ${version} is older than ${least}.`] : [];
}

function faultOfNode(version) {
  const newestLine = Math.max(...Object.keys(NODE).map(Number));
  const line = Number(version.split('.')[0]);
  const least = NODE[line];
  if (least === undefined) return line > newestLine ? [] : [`Node ${version} gets no fixes any more.`];
  return compared(version, least) < 0 ? [`Node ${version} is older than ${least}.`] : [];
}

const faults = [
  ...Object.entries(PACKAGES).flatMap(faultOfPackage),
  ...(process.argv.includes('--node') ? faultOfNode(process.versions.node) : []),
];
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.exitCode = faults.length > 0 ? 1 : 0;
