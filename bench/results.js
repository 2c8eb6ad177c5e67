'use strict';
const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

/** Keeps everything measured, as JSON in a folder that git ignores. */
function keep(kind, figures) {
  const directory = join(__dirname, 'results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${new Date().toISOString().replaceAll(':', '-')}-${kind}.json`);
  writeFileSync(file, JSON.stringify(figures, null, 2));
}

module.exports = { keep };
