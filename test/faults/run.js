'use strict';
/**
 * `npm run test:faults`: first the suites that mostly wait (for leases, timeouts, starts), several at a time, then the
 * others one by one: they load the machine or measure times, and would disturb each other. With arguments, which go to
 * jest, all that they choose run one by one.
 */
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');

const AT_A_TIME = 3;
/** Ends what hangs: on a slow machine some take minutes beside others. */
const TEST_TIMEOUT_MS = 600_000;
/** Each uses a core or less for most of its time, and neither its bounds nor its order needs a quiet machine. */
const WAITING = [
  'admin-create',
  'admin-usage-by-name',
  'admin-usage-walk',
  'api-key-rotation',
  'builds',
  'clock-change',
  'commands',
  'conservation',
  'database-away',
  'database-port',
  'database-restarts',
  'dead-process',
  'embedded-postgres',
  'failing-starts',
  'hung-connections',
  'hung-database-end',
  'hung-engine',
  'hung-management',
  'lagging-standby',
  'large-answers',
  'late-admissions',
  'late-settlements',
  'ledger-check',
  'left-answers',
  'live-requests',
  'log-disk',
  'login-timing',
  'long-backfill',
  'outage-and-kill',
  'race',
  'reaper-race',
  'renamed-folder',
  'rolling-restart',
  'scarce-resources',
  'shutdown',
  'slow-clients',
  'slow-readers',
  'startup',
  'template-overhead',
  'three-replicas',
  'time-zone',
  'unsettleable',
  'usage-leader-lists',
  'usage-leaders',
  'workers',
  'workers-without-database',
  'workers-without-room',
];
const waiting = `/faults/(${WAITING.join('|')})\\.`;
const chosen = process.argv.slice(2);
const patient = `--testTimeout=${TEST_TIMEOUT_MS}`;
const oneByOne = ['--runInBand'];
const runs =
  chosen.length > 0
    ? [[...oneByOne, ...chosen]]
    : [
        [`--maxWorkers=${AT_A_TIME}`, '--testPathPatterns', waiting],
        [...oneByOne, '--testPathIgnorePatterns', waiting],
      ];

// Else the suites that start programs would wait for it, each for itself.
const build = [join(__dirname, '..', '..', 'scripts', 'build.js'), '--if-needed'];
if (spawnSync(process.execPath, build, { stdio: 'inherit' }).status !== 0) process.exit(1);

for (const words of runs) {
  const jest = [
    require.resolve('jest/bin/jest'),
    '--selectProjects',
    'faults',
    '--forceExit',
    patient,
    ...words,
  ];
  const { status, signal } = spawnSync(process.execPath, jest, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
  // Somebody wants it to end.
  if (signal !== null) break;
}
