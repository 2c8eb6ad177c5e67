'use strict';

const GOALS = { ratio: 2, growthMb: 50, p99: 1.2 };
/** Below it a difference is that of the machine, not of the database; milliseconds. */
const NOISE_MS = 3;
const MB = 1_048_576;

const holds = ({ small, large, ratio }) => ratio <= GOALS.ratio || large - small < NOISE_MS;
const verdict = (kept) => (kept ? 'yes' : 'NO');

/** A table in Markdown, and a line for each goal. */
function summary({ pages, csv, streams }, { small, large }) {
  const rows = pages.map((row) =>
    [row.page, row.small.toFixed(1), row.large.toFixed(1), row.ratio.toFixed(2), verdict(holds(row))].join(
      ' | ',
    ),
  );
  const missed = pages.filter((row) => !holds(row));
  return [
    `| Page | ${small}: ms | ${large}: ms | Ratio | ≤ ${GOALS.ratio} |`,
    '| --- | ---: | ---: | ---: | --- |',
    ...rows.map((row) => `| ${row} |`),
    '',
    `pages ≤ ${GOALS.ratio}×: ${pages.length - missed.length} of ${pages.length}`,
    ...(csv && streams ? besidePages(csv, streams) : []),
  ].join('\n');
}

function besidePages(csv, streams) {
  return [
    ...csv.map(csvLine),
    `chunks of paced streams: p50 ${streams.without.p50.toFixed(2)} ms, p99 ${streams.without.p99.toFixed(2)} ms; ` +
      `while ${streams.reports} reports ran p50 ${streams.during.p50.toFixed(2)} ms, ` +
      `p99 ${streams.during.p99.toFixed(2)} ms, ${streams.during.ratio.toFixed(2)}×; ≤ ${GOALS.p99}×: ` +
      `${verdict(streams.during.ratio <= GOALS.p99)}; failed streams ${streams.without.failed + streams.during.failed}; ` +
      `beside a loop that does nothing p99 ${streams.looping.p99.toFixed(2)} ms, ${streams.looping.ratio.toFixed(2)}×`,
  ];
}

function csvLine({ name, rows, bytes, took, growth }) {
  const grew = growth / MB;
  return (
    `CSV, ${name}: ${rows} rows (${(bytes / MB).toFixed(0)} MB, ${(took / 1_000).toFixed(0)} s): ` +
    `memory grew by ${grew.toFixed(0)} MB; ≤ ${GOALS.growthMb} MB: ${verdict(grew <= GOALS.growthMb)}`
  );
}

module.exports = { summary };
