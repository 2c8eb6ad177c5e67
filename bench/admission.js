'use strict';
/**
 * `npm run bench:admission`: admission with settlement, beside a bare UPDATE … RETURNING a request over 8 connections
 * on the same PostgreSQL, in interleaved rounds, judged by bench/admission/goals.js; fails when a gate does not hold.
 * `-- --large` compares a database of 10,000 users with one of a million users and ten million ledger rows as well, in
 * interleaved rounds (some minutes, 6 GB in the temporary folder). `-- --seconds N`, `-- --rounds N`. The first part is also the scenario
 * `admission` of `npm run bench`.
 */
const { measureAdmission, measureLarge } = require('./admission/compare');
const { admissionLines, growthLines } = require('./admission/lines');
const { judge } = require('./goals');
const options = require('./options');
const { goalLines, machineFacts } = require('./report');
const { keep } = require('./results');
const { FULL } = require('./sizes');

const progress = (text) => console.log(`… ${text}`);

async function main() {
  const size = {
    rounds: options.number('rounds', FULL.admission.rounds),
    seconds: options.number('seconds', FULL.admission.seconds),
    progress,
  };
  const figures = { admission: await measureAdmission(size) };
  if (options.has('large')) figures.admissionLarge = await measureLarge(size);
  const goals = judge(figures);
  const machine = machineFacts();
  const lines = [
    ...admissionLines(figures.admission),
    ...(figures.admissionLarge ? growthLines(figures.admissionLarge) : []),
  ];
  console.log(`\n${machine}\n\n${lines.join('\n')}\n`);
  console.log(goalLines(goals).join('\n'));
  keep('admission', { machine, ...figures, goals });
  if (goals.some(({ holds }) => holds === false)) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
