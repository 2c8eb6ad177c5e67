'use strict';

/** A line for each comparison. */
function admissionLines({ hot, spread, latency }) {
  const lines = [hot, spread].map(
    ({ label, bare, ours, ratio, postgresRatio }) =>
      `${label}: bare ${bare.rate.toFixed(0)}/s, admission and settlement ${ours.rate.toFixed(0)}/s: ${ratio.toFixed(2)}x; ` +
      `PostgreSQL CPU ${bare.postgres.toFixed(0)} and ${ours.postgres.toFixed(0)} µs: ${postgresRatio.toFixed(2)}x; ` +
      `own CPU ${bare.own.toFixed(0)} and ${ours.own.toFixed(0)} µs.`,
  );
  if (latency) {
    const { label, bare, ours, ratio, p99 } = latency;
    lines.push(
      `${label}, p50: bare ${bare.toFixed(2)} ms, admission ${ours.toFixed(2)} ms: ${ratio.toFixed(2)}x; ` +
        `p99: ${p99.bare.toFixed(1)} and ${p99.ours.toFixed(1)} ms.`,
    );
  }
  return lines;
}

/** The same for a database that has grown. */
function growthLines({ hot, spread }) {
  return [hot, spread].map(
    ({ label, small, large, slower }) =>
      `${label}: ${small.rate.toFixed(0)}/s and ${large.rate.toFixed(0)}/s: ${slower.toFixed(2)} times slower; ` +
      `PostgreSQL CPU ${small.postgres.toFixed(0)} and ${large.postgres.toFixed(0)} µs, ` +
      `own CPU ${small.own.toFixed(0)} and ${large.own.toFixed(0)} µs.`,
  );
}

module.exports = { admissionLines, growthLines };
