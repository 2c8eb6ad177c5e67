'use strict';
const { spawn } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');

/** Microseconds of a clock tick, as every Linux that runs Node has them. */
const TICK_US = 10_000;

/**
 * CPU time of one process and its threads, user and system, in microseconds, as the scheduler counts it: the ticks of
 * `stat` are 10 ms each, half of what a short burst takes. A thread that has ended is missing, and Node keeps its own.
 */
function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + nanosecondsOf(`/proc/${pid}/task/${thread}`), 0) / 1_000;
}

function nanosecondsOf(thread) {
  try {
    return Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
  } catch {
    return 0; // It has just ended.
  }
}

/**
 * CPU time of a server and its processes, those that have ended included: a connection that closes takes its time out
 * of the list of processes, but its parent keeps the sum.
 */
function cpuOfTree(pid) {
  const own = cpuOf(pid) + endedTicksOf(pid) * TICK_US;
  return childrenOf(pid).reduce((sum, child) => sum + cpuOrNothing(child), own);
}

function cpuOrNothing(pid) {
  try {
    return cpuOf(pid);
  } catch {
    return 0; // It has just ended.
  }
}

/** User and system time of the children of a process that have ended. */
function endedTicksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[13]) + Number(fields[14]);
}

/** Resident memory in bytes. */
function memoryOf(pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}

/** The processes whose parent is `pid`. */
function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return -1;
  }
}

/** The processes a gateway has forked to serve, told by the program they run. */
function workersOf(pid, program) {
  return childrenOf(pid).filter((child) => commandOf(child).includes(program));
}

/** How many files and sockets a process has open. */
function openFilesOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The first process of the PostgreSQL whose command names this directory; null when none does. */
function postgresIn(directory) {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((name) => commandOf(name).includes(directory) && commandOf(name).includes('postgres'));
  return found ? Number(found) : null;
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** What runs for this benchmark: it does not outlive it, whatever ends it. */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGTERM')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Starts a program and resolves with it once a line of its output matches. */
function start(program, args, { ready, env, cwd, label }) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let said = '';
  return new Promise((resolve, reject) => {
    const hear = (chunk) => {
      said = (said + chunk).slice(-20_000);
      const found = ready.exec(said);
      if (found) resolve({ child, found });
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${label} ended with ${code}: ${said.slice(-2_000)}`)));
  });
}

/** Ends a program and waits for its end. */
function stop(child) {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
}

module.exports = {
  cpuOf,
  cpuOfTree,
  memoryOf,
  childrenOf,
  openFilesOf,
  postgresIn,
  start,
  stop,
  workersOf,
};
