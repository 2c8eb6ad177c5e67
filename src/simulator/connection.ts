import type { ServerResponse } from 'node:http';

const HUNG_POLL_MS = 20;

/** The client's side of one answer: whether it is still there, and waiting that ends when it leaves. */
export class Connection {
  private gone = false;
  private wake: (() => void) | null = null;

  constructor(
    readonly response: ServerResponse,
    private readonly settings: { readonly hung: boolean },
    private readonly onGone: () => void,
  ) {
    response.on('close', () => {
      if (response.writableFinished) return;
      this.gone = true;
      this.onGone();
      this.wake?.();
    });
    response.on('drain', () => this.wake?.());
  }

  get isGone(): boolean {
    return this.gone || this.response.destroyed;
  }

  /** Resolves after so long, or when the client leaves. 0 gives other work a turn. */
  async pause(milliseconds: number): Promise<void> {
    if (milliseconds <= 0) await new Promise((resolve) => setImmediate(resolve));
    else await this.sleep(milliseconds);
    await this.untilAwake();
  }

  /** Resolves once the engine does not hang, or when the client leaves. */
  async untilAwake(): Promise<void> {
    while (this.settings.hung && !this.isGone) await this.sleep(HUNG_POLL_MS);
  }

  private async sleep(milliseconds: number): Promise<void> {
    if (this.isGone) return;
    await this.wait((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      return () => clearTimeout(timer);
    });
  }

  /** Resolves when the client leaves. */
  async forever(): Promise<void> {
    while (!this.isGone) await this.wait(() => () => undefined);
  }

  async write(data: string | Buffer): Promise<void> {
    if (this.isGone || this.response.write(data)) return;
    while (!this.isGone && this.response.writableNeedDrain) await this.wait(() => () => undefined);
  }

  /** A reset rather than an end, as when a process dies. */
  reset(): void {
    this.response.socket?.resetAndDestroy();
  }

  private wait(start: (resolve: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        this.wake = null;
        cancel();
        resolve();
      };
      const cancel = start(finish);
      this.wake = finish;
    });
  }
}
