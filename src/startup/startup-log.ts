import type { Env } from '../config/env';

/** The lines of a start, for people. Each one says so when the answers will be simulated. */
export class StartupLog {
  private readonly prefix: string;

  constructor(env: Pick<Env, 'VLLM_BASE_URL' | 'simulated'>) {
    this.prefix = env.simulated || !env.VLLM_BASE_URL ? '[simulated answers] ' : '';
  }

  readonly line = (text: string): void => {
    process.stdout.write(`${this.prefix}${text}\n`);
  };

  /** Text to be copied: printed as it is. */
  block(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}
