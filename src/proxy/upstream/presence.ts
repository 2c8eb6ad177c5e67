import { Logger } from '@nestjs/common';

/** How often one that is away is looked for, in milliseconds. */
const LOOK_AGAIN_MS = 2_000;

/**
 * Whether connections to a server can be made. One that is away is looked for until it answers, so that no request has to
 * find out: where packets are lost, each that tried would wait for its connection for seconds.
 */
export class Presence {
  private readonly logger = new Logger(Presence.name);
  private away = false;
  private ended = false;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param look asks it something; calls `found` when it answers, and rejects otherwise
   * @param changed is told when it goes or comes back
   */
  constructor(
    private readonly url: string,
    private readonly look: () => Promise<void>,
    private readonly changed: () => void,
  ) {}

  get isAway(): boolean {
    return this.away;
  }

  /** A connection could not be made. */
  lost(): void {
    if (this.away || this.ended) return;
    this.away = true;
    this.logger.error(
      `no connection to vLLM at ${this.url} can be made: others get its requests until it answers`,
    );
    this.changed();
    this.lookLater();
  }

  found(): void {
    if (!this.away) return;
    this.away = false;
    clearTimeout(this.timer);
    this.logger.log(`vLLM at ${this.url} answers again`);
    this.changed();
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
  }

  private lookLater(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      void this.look()
        .catch(() => undefined)
        .then(() => {
          if (this.away && !this.ended) this.lookLater();
        });
    }, LOOK_AGAIN_MS).unref();
  }
}
