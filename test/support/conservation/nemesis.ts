import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatorSettings } from '../../../src/simulator/simulator-settings';
import type { DatabaseGate } from '../database-gate';
import type { Random } from './random';
import type { Replicas } from './replicas';
import type { Vllms } from './vllms';
import type { PassingWindows } from './windows';

export interface Victims {
  readonly replicas: Replicas;
  readonly gate: DatabaseGate;
  /** Stops PostgreSQL, orderly or in the middle of everything, and starts it again. */
  readonly restartPostgres: (signal: 'SIGINT' | 'SIGQUIT') => Promise<void>;
  readonly vllms: Vllms;
  readonly windows: PassingWindows;
}

/** Breaks one thing after another, and puts it right again, until it is told to stop; then all is right. */
export async function nemesis(
  random: Random,
  { replicas, gate, restartPostgres, vllms, windows }: Victims,
  log: (line: string) => void,
  goesOn: () => boolean,
): Promise<void> {
  const vllmFor = async (longestMs: number, settings: Partial<SimulatorSettings>) => {
    const [ms, all] = [
      random.between(200, longestMs),
      Array.from({ length: vllms.count }, (_, index) => index),
    ];
    const which = random.of([all, [random.of(all)]]);
    log(`vLLM ${which.join(' and ')} has ${JSON.stringify(settings)} for ${ms} ms`);
    await vllms.have(settings, ms, which);
  };
  const acts: readonly (() => Promise<void>)[] = [
    async () => {
      const index = random.between(0, replicas.count - 1);
      log(`SIGKILL of replica ${index}`);
      await replicas.killAndRestart(index, random.between(0, 3_000));
    },
    async () => {
      const [index, ms] = [random.between(0, replicas.count - 1), random.between(200, 9_000)];
      log(`replica ${index} is paused for ${ms} ms`);
      replicas.signal(index, 'SIGSTOP');
      await sleep(ms);
      replicas.signal(index, 'SIGCONT');
    },
    async () => {
      const signal = random.of(['SIGINT', 'SIGQUIT'] as const);
      log(`PostgreSQL gets ${signal} and starts again`);
      await restartPostgres(signal);
    },
    async () => {
      const ms = random.between(200, 6_000);
      log(`PostgreSQL cannot be reached for ${ms} ms`);
      gate.shut();
      await sleep(ms);
      gate.open();
    },
    async () => {
      const ms = random.between(200, 4_500);
      log(`PostgreSQL's answers are lost for ${ms} ms`);
      gate.swallowAnswers();
      await sleep(ms);
      gate.open();
    },
    () => vllmFor(3_000, { tokenize: 'missing' }),
    () => vllmFor(4_000, { hung: true }),
    () => vllmFor(3_000, { maxUnfinished: random.between(0, 8) }),
    async () => {
      const [index, ms] = [random.between(0, vllms.count - 1), random.between(0, 3_000)];
      log(`vLLM ${index} ends, and another starts ${ms} ms later`);
      await vllms.restart(index, ms);
    },
    async () => {
      const passed = await windows.pass();
      log(passed ? 'windows of a minute pass' : 'no windows pass: too early in the day, or too soon');
    },
  ];
  // Each at least once when there is time, in any order, then any.
  const order = random.shuffled(acts);
  for (let turn = 0; goesOn(); turn += 1) {
    await sleep(random.between(500, 3_000));
    if (goesOn()) await (order[turn] ?? random.of(acts))();
  }
}
