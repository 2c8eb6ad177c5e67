/** Thrown between the steps of a start that was asked to end. */
export class StartCancelled extends Error {}

/** npm and a terminal may both pass on the same Ctrl-C: what comes within this time is not a second wish. */
const SAME_WISH_MS = 1_000;
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof EXIT_CODES;

/** SIGTERM, SIGINT, and SIGHUP of a terminal that is closed: the first one is a wish to end in order, the second one ends at once. */
export class StopSignals {
  private wishedAt: number | null = null;
  private readonly atOnce: (() => void)[] = [];
  private announce: (signal: StopSignal) => void = () => undefined;
  /** Resolves with the first signal. */
  readonly first = new Promise<StopSignal>((resolve) => (this.announce = resolve));

  constructor() {
    for (const signal of Object.keys(EXIT_CODES) as StopSignal[]) {
      process.on(signal, () => this.receive(signal));
    }
  }

  /** @throws StartCancelled once a signal has come */
  readonly proceed = (): void => {
    if (this.wishedAt !== null) throw new StartCancelled();
  };

  /** Adds what must be done, within no time, when a second signal ends the process. */
  beforeEndAtOnce(action: () => void): void {
    this.atOnce.push(action);
  }

  private receive(signal: StopSignal): void {
    const now = performance.now();
    if (this.wishedAt === null) {
      this.wishedAt = now;
      this.announce(signal);
    } else if (now - this.wishedAt > SAME_WISH_MS) {
      for (const action of this.atOnce) action();
      process.exit(EXIT_CODES[signal]);
    }
  }
}
