'use strict';

const args = process.argv.slice(2);

/** Whether `--name` was given. */
const has = (name) => args.includes(`--${name}`);

/** What follows `--name`; undefined when it was not given. */
function text(name) {
  const at = args.indexOf(`--${name}`);
  return at === -1 ? undefined : args[at + 1];
}

/** The number that follows `--name`. */
function number(name, otherwise) {
  const given = text(name);
  if (given === undefined) return otherwise;
  if (!/^\d+(\.\d+)?$/.test(given)) throw new Error(`--${name} wants a number`);
  return Number(given);
}

module.exports = { args, has, number, text };
