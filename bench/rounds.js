'use strict';
const { measure, median } = require('./measure');

/**
 * Measures every target once in each round, one after the other, so that what disturbs the machine disturbs all.
 * @param one what is measured: (target, round) → an object of numbers
 */
async function inRounds(targets, rounds, { label, progress, warmUp, one }) {
  const rows = Object.fromEntries(targets.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const target of targets) {
      progress(`${label}, round ${round + 1} of ${rounds}: ${target.name}`);
      // A load of its own, so that its CPU is not counted; of so many requests and not of seconds, because on a busy
      // machine fewer are answered in a second and more of the compiling would be left for what counts.
      if (round === 0 && warmUp) await measure(target, warmUp);
      rows[target.name].push(await one(target, round));
    }
  }
  return figures(rows, targets);
}

/** Medians of rounds, and medians of what was compared within each round. */
function figures(rows, targets) {
  const names = targets.map(({ name }) => name);
  const of = (name, compare) => {
    const fields = Object.keys(rows[name][0] ?? {});
    return Object.fromEntries(
      fields.map((field) => [field, median(rows[name].map((row, at) => compare(row[field], field, at)))]),
    );
  };
  const each = (make) => Object.fromEntries(names.map((name) => [name, make(name)]));
  const beside = (base, compare) =>
    rows[base] === undefined
      ? null
      : each((name) => of(name, (value, field, at) => compare(value, rows[base][at][field])));
  return {
    rows,
    medians: each((name) => of(name, (value) => value)),
    toNginx: beside('nginx', (value, other) => value / other),
    overDirect: beside('direct', (value, other) => value - other),
    failed: rows.gateway?.reduce((sum, { failed = 0 }) => sum + failed, 0) ?? 0,
  };
}

module.exports = { inRounds };
