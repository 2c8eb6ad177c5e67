import type { Env } from '../config/env';

/** The lines of a start, for people. Each one says so when the answers will be simulated. */
export class StartupLog {
  private readonly prefix: string;

  /** @param write where they go; a gateway with workers must not wait there for a reader */
  constructor(
    env: Pick<Env, 'VLLM_BASE_URL' | 'simulated'>,
    private readonly write: (text: string) => void = (text) => void process.stdout.write(text),
  ) {
    this.prefix = env.simulated || !env.VLLM_BASE_URL ? '[simulated answers] ' : '';
  }

  readonly line = (text: string): void => {
    this.write(`${this.prefix}${text}\n`);
  };

  /** Text to be copied: printed as it is. */
  block(text: string): void {
    this.write(`${text}\n`);
  }
}
