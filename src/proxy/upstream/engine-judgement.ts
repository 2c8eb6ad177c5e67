/** How often the event loop is asked to come by. Milliseconds. */
export const TICK_MS = 250;
/** While there is doubt vLLM is asked again this often, or sooner with a short patience: it is back within 5 s. */
const LONGEST_PAUSE_MS = 4_000;

/** What there is to do or to tell after a tick: ask vLLM for the first time or again; it is down; it is up again. */
export type Step = 'ask' | 'ask again' | 'down' | 'up' | null;

/**
 * Whether the engine of vLLM works, by what is heard of it. Doubt begins when generations have waited for `afterMs` and none
 * has brought a byte; who does not answer within `patienceMs` of doubt either is down. Any sign of life ends both.
 *
 * Only time in which this process listened counts: one that was stopped or far behind finds in its sockets what came
 * meanwhile, but its timers come first.
 */
export class EngineJudgement {
  private state: 'trusted' | 'doubted' | 'down' = 'trusted';
  private alive = false;
  private lastTick: number;
  /** Milliseconds listened to: without a byte while trusted, in doubt later. */
  private silence = 0;
  private sinceAsked = 0;
  private readonly pauseMs: number;

  /** Times are those of one clock, in milliseconds. */
  constructor(
    private readonly afterMs: number,
    private readonly patienceMs: number,
    now: number,
  ) {
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, patienceMs / 3);
    this.lastTick = now;
  }

  /** Something was generated. Called for every piece of every answer: it must cost nothing. */
  heard(): void {
    this.alive = true;
  }

  get isTrusted(): boolean {
    return this.state === 'trusted';
  }

  get isDown(): boolean {
    return this.state === 'down';
  }

  /**
   * To be called every TICK_MS.
   * @param waiting whether a generation waits for its first or next byte
   */
  tick(now: number, waiting: boolean): Step {
    const listened = Math.min(now - this.lastTick, 2 * TICK_MS);
    this.lastTick = now;
    if (this.alive || (this.state === 'trusted' && !waiting)) return this.trust();
    this.silence += listened;
    this.sinceAsked += listened;
    if (this.state === 'trusted') return this.silence < this.afterMs ? null : this.doubt();
    if (this.state === 'doubted' && this.silence >= this.patienceMs) {
      this.state = 'down';
      return 'down';
    }
    if (this.sinceAsked < this.pauseMs) return null;
    this.sinceAsked = 0;
    return 'ask again';
  }

  private trust(): Step {
    const { isDown } = this;
    this.state = 'trusted';
    this.alive = false;
    this.silence = 0;
    return isDown ? 'up' : null;
  }

  private doubt(): Step {
    this.state = 'doubted';
    this.silence = 0;
    this.sinceAsked = 0;
    return 'ask';
  }
}
