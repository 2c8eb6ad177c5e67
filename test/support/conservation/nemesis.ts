import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseGate } from '../database-gate';
import type { Random } from './random';
import type { Replicas } from './replicas';

export interface Victims {
  readonly replicas: Replicas;
  readonly gate: DatabaseGate;
  /** Stops PostgreSQL, orderly or in the middle of everything, and starts it again. */
  readonly restartPostgres: (signal: 'SIGINT' | 'SIGQUIT') => Promise<void>;
}

/** Breaks one thing after another, and puts it right again, until it is told to stop; then all is right. */
export async function nemesis(
  random: Random,
  { replicas, gate, restartPostgres }: Victims,
  log: (line: string) => void,
  goesOn: () => boolean,
): Promise<void> {
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
  ];
  // Each at least once when there is time, then any.
  for (let turn = 0; goesOn(); turn += 1) {
    await sleep(random.between(500, 3_000));
    if (goesOn()) await (acts[turn] ?? random.of(acts))();
  }
}
