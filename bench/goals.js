'use strict';
const { ADMISSION_GOALS } = require('./admission/goals');

/**
 * The goals of docs/performance.md. Each reads one figure; `least` turns the comparison round. `gate` is what no change
 * may make worse than: 20 % above the worst that whole and smoke runs measured of the code of 2026-11-27 (P3 2.33,
 * P4 4.2, P8 22 and 385 MB, P11 0.52 and 2.06) and, on a machine of half its speed, of 2026-11-28 (P1 16.7, P9 2.24).
 * It is for what a busy machine hardly moves: CPU, memory, counts, and ratios to a bare statement on the same
 * PostgreSQL; other latencies are only reported.
 */
const GOALS = [
  {
    id: 'P1',
    from: 'json',
    name: 'CPU per JSON request / nginx',
    read: (f) => f.toNginx?.gateway.cpuPerRequest,
    goal: 9,
    gate: 20,
  },
  {
    id: 'P2',
    from: 'json',
    name: 'JSON requests a second / nginx',
    read: (f) => f.toNginx?.gateway.perSecond,
    goal: 0.18,
    least: true,
  },
  {
    id: 'P2',
    from: 'json',
    name: 'JSON requests a second / Portkey (--portkey)',
    read: (f) => f.medians.gateway.perSecond / f.medians.portkey?.perSecond,
    goal: 10,
    least: true,
  },
  {
    id: 'P3',
    from: 'streams',
    name: 'CPU per paced event / nginx',
    read: (f) => f.toNginx?.gateway.cpuPerEvent,
    goal: 2.1,
    gate: 2.8,
  },
  {
    id: 'P4',
    from: 'burst',
    name: 'CPU per burst event / nginx',
    read: (f) => f.toNginx?.gateway.cpuPerEvent,
    goal: 1.4,
    gate: 5,
  },
  {
    id: 'P4',
    from: 'burst',
    name: 'burst events a second / nginx',
    read: (f) => f.toNginx?.gateway.eventsPerSecond,
    goal: 0.8,
    least: true,
  },
  {
    id: 'P5',
    from: 'light',
    name: 'added event delay p50, light load',
    unit: 'ms',
    read: (f) => f.overDirect.gateway.delayP50,
    goal: 0.15,
  },
  {
    id: 'P6',
    from: 'json',
    name: 'added p50 at 300 requests/s, JSON',
    unit: 'ms',
    read: (f) => f.overDirect.gateway.p50,
    goal: 2,
  },
  {
    id: 'P6',
    from: 'firstBytes',
    name: 'added p50 at 300 requests/s, first byte',
    unit: 'ms',
    read: (f) => f.overDirect.gateway.p50,
    goal: 2,
  },
  {
    id: 'P7',
    from: 'light',
    name: 'event delay p99 / nginx',
    read: (f) => f.toNginx?.gateway.delayP99,
    goal: 3,
  },
  {
    id: 'P7',
    from: 'json',
    name: 'JSON p99 at 300 requests/s / nginx',
    read: (f) => f.toNginx?.gateway.p99,
    goal: 3,
  },
  {
    id: 'P7',
    from: 'firstBytes',
    name: 'first byte p99 at 300 requests/s / nginx',
    read: (f) => f.toNginx?.gateway.p99,
    goal: 3,
  },
  {
    id: 'P8',
    from: 'idle',
    name: 'memory per 1,000 idle streams',
    unit: 'MB',
    read: (f) => f.medians.gateway.megabytesPer1000,
    goal: 22,
    gate: 27,
  },
  {
    id: 'P8',
    from: 'memory',
    name: 'memory after the run',
    unit: 'MB',
    read: (f) => f.megabytes,
    goal: 120,
    gate: 460,
  },
  {
    id: 'P9',
    from: 'bare',
    name: 'CPU per request / without limits, meter and ledger',
    read: (f) => f.ratio,
    goal: 1.4,
    gate: 2.7,
  },
  {
    id: 'P11',
    from: 'statements',
    name: 'statements per request at the rate',
    read: (f) => f.busy.statements,
    goal: 0.2,
    gate: 0.63,
  },
  {
    id: 'P11',
    from: 'statements',
    name: 'statements per request, one client',
    // To the hundredth: every 4 s a key is looked up anew.
    read: (f) => Math.round(f.idle.statements * 100) / 100,
    goal: 2,
    gate: 2.5,
  },
  {
    id: 'P12',
    from: 'ledger',
    name: 'requests without a row in the ledger',
    read: (f) => Math.abs(f.rows - f.requests),
    goal: 0,
    gate: 0,
  },
  {
    id: 'P13',
    from: 'aborts',
    name: 'close upstream after a client left, p50',
    unit: 'ms',
    read: (f) => f.p50,
    goal: 50,
  },
  {
    id: 'P13',
    from: 'aborts',
    name: 'close upstream after a client left, worst',
    unit: 'ms',
    read: (f) => f.worst,
    goal: 50,
  },
  {
    id: 'P13',
    from: 'aborts',
    name: 'streams left and never closed upstream',
    read: (f) => f.leaked,
    goal: 0,
    gate: 0,
  },
  {
    id: 'P14',
    from: 'workers',
    name: 'requests a second of N workers / N times one',
    read: (f) => f.perSecond / f.workers,
    goal: 0.9,
    least: true,
  },
  {
    id: 'P14',
    from: 'workers',
    name: 'events a second of N workers / N times one',
    read: (f) => f.eventsPerSecond / f.workers,
    goal: 0.9,
    least: true,
  },
  {
    id: '',
    from: 'workers',
    name: 'CPU per request of N workers / one',
    read: (f) => f.cpuPerRequest,
    goal: 1.1,
  },
  {
    id: '',
    from: 'slowReaders',
    name: 'memory per slow reader of 50 MB',
    unit: 'KiB',
    read: (f) => f.kilobytesEach,
    goal: 512,
  },
  {
    id: '',
    from: 'connections',
    name: 'memory per idle connection',
    unit: 'KiB',
    read: (f) => f.kilobytesEach,
    goal: 16,
  },
  ...ADMISSION_GOALS,
  { id: '', from: 'failures', name: 'requests that failed', read: (f) => f.failed, goal: 0, gate: 0 },
];

/** Every goal whose scenario was run, with its value and whether goal and gate hold; null: it cannot be told. */
function judge(figures) {
  return GOALS.filter(({ from }) => figures[from]).map(({ read, ...goal }) => {
    const value = read(figures[goal.from]);
    const told = Number.isFinite(value);
    const within = (limit) => (goal.least ? value >= limit : value <= limit);
    return {
      ...goal,
      value: told ? value : null,
      met: told ? within(goal.goal) : null,
      holds: goal.gate === undefined || !told ? null : within(goal.gate),
    };
  });
}

module.exports = { judge };
