'use strict';

/** Of any number of values; null when there are none. */
function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
  return { p50: at(0.5), p99: at(0.99), worst: sorted.at(-1) ?? null };
}

module.exports = { quantiles };
