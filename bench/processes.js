'use strict';
const { spawn } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');

/** Clock ticks a second, as every Linux that runs Node has them. */
const TICKS = 100;

/** CPU time of one process and its threads, user and system, in microseconds, as the operating system counts it. */
function cpuOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1e6;
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

/** Every server process of the PostgreSQL at a port on this machine; [] when it is elsewhere. */
function postgresAt(dataDirectoryPart) {
  const postmaster = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((name) => commandOf(name).includes(dataDirectoryPart) && commandOf(name).includes('postgres'));
  return postmaster ? [Number(postmaster), ...childrenOf(Number(postmaster))] : [];
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Starts a program and resolves with it once a line of its output matches. */
function start(program, args, { ready, env, label }) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
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

module.exports = { cpuOf, memoryOf, childrenOf, postgresAt, start, stop };
