import { ArrivalRate } from './arrival-rate';
import { BatchPace } from './batch-pace';

/**
 * So many answers of a batch go out in one turn of the event loop: each is followed by a request to vLLM, or by an
 * answer, and others wait meanwhile.
 */
const ANSWERS_A_TURN = 32;

/** A caller's item and the promise it waits on. */
interface Waiting<In, Out> {
  readonly item: In;
  readonly since: number;
  readonly resolve: (value: Out) => void;
  readonly reject: (reason: unknown) => void;
}

export interface GroupCommitOptions<In, Out> {
  /** Handles a whole batch in one round trip; answers by position. */
  readonly commit: (items: readonly In[]) => Promise<readonly Out[]>;
  readonly maxBatch: number;
  /** Batches under way at once. */
  readonly lanes: number;
  /** True when a failed batch may be tried again item by item, so that one bad item fails alone. */
  readonly isolates: (error: unknown) => boolean;
  /** When and how long batches wait for company; never when left out. */
  readonly gather?: GatherOptions;
}

/** Group commit as PostgreSQL's own commit_delay: where many commit at once, a short wait saves most of the work. */
export interface GatherOptions {
  /** Items a second from which on batches wait. */
  readonly fromRate: number;
  /** A batch this large goes. */
  readonly batch: number;
  /** And so does one whose first item has waited this long, in milliseconds. */
  readonly withinMs: number;
}

/**
 * Collects what arrives while the last round trip is under way and sends it as one batch. An item that finds the
 * lane idle goes at the end of the turn of the event loop; only where so many arrive that they would be sent one by one
 * all the same does it wait a few milliseconds for others (docs/decisions/0025).
 */
export class GroupCommit<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private running = 0;
  private scheduled = false;
  private lastWait = 0;
  private readonly pace = new BatchPace();
  private gathering: NodeJS.Timeout | undefined;
  private readonly arrivals: ArrivalRate | null;

  constructor(private readonly options: GroupCommitOptions<In, Out>) {
    this.arrivals = options.gather ? new ArrivalRate(options.gather.fromRate) : null;
  }

  submit(item: In): Promise<Out> {
    return new Promise<Out>((resolve, reject) => {
      const now = performance.now();
      this.arrivals?.note(now);
      this.waiting.push({ item, since: now, resolve, reject });
      if (!this.gathering || this.waiting.length >= (this.options.gather as GatherOptions).batch)
        this.pumpSoon();
    });
  }

  /** Takes back what has not been sent yet; its promise stays open. @returns false when it is too late for that */
  withdraw(item: In): boolean {
    const at = this.waiting.findIndex((entry) => entry.item === item);
    if (at === -1) return false;
    this.waiting.splice(at, 1);
    if (this.waiting.length === 0) this.pace.rests();
    return true;
  }

  /**
   * How long the first item of the last batch had waited for its turn, in milliseconds; 0 when nothing waits. Of a round
   * trip that hangs it tells nothing: that is another fault than too many items.
   */
  get waitMs(): number {
    return this.waiting.length === 0 ? 0 : this.lastWait;
  }

  /** How long an item that comes now will have to wait, by the full batches before it. Milliseconds. */
  get expectedWaitMs(): number {
    const batches = Math.floor(this.waiting.length / this.options.maxBatch);
    return batches === 0 ? 0 : batches * this.pace.ms(performance.now());
  }

  /** After all that this turn of the event loop has read: what arrives together travels together. */
  private pumpSoon(): void {
    if (this.scheduled || this.running >= this.options.lanes) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.running < this.options.lanes && this.waiting.length > 0 && !this.waitsForMore()) {
      const batch = this.waiting.splice(0, this.options.maxBatch);
      const now = performance.now();
      this.lastWait = now - (batch[0] as Waiting<In, Out>).since;
      this.pace.sent(now);
      this.running += 1;
      void this.run(batch).then((isDone) => {
        this.running -= 1;
        this.pace.ended(performance.now(), isDone && this.waiting.length > 0);
        if (this.waiting.length > 0) this.pumpSoon();
      });
    }
  }

  /** Comes back by itself when the first item has waited for long enough. */
  private waitsForMore(): boolean {
    const { gather } = this.options;
    if (this.gathering) clearTimeout(this.gathering);
    this.gathering = undefined;
    const now = performance.now();
    if (!gather || !this.arrivals?.isHigh(now) || this.waiting.length >= gather.batch) return false;
    const left = gather.withinMs - (now - (this.waiting[0] as Waiting<In, Out>).since);
    if (left <= 0) return false;
    this.gathering = setTimeout(() => {
      this.gathering = undefined;
      this.pump();
    }, Math.ceil(left));
    return true;
  }

  private answer(batch: Waiting<In, Out>[], answers: readonly Out[], from: number): void {
    const to = Math.min(batch.length, from + ANSWERS_A_TURN);
    for (let index = from; index < to; index += 1)
      (batch[index] as Waiting<In, Out>).resolve(answers[index] as Out);
    if (to < batch.length) setImmediate(() => this.answer(batch, answers, to));
  }

  /** Never rejects. @returns whether the whole batch was committed at once */
  private async run(batch: Waiting<In, Out>[]): Promise<boolean> {
    try {
      const answers = await this.options.commit(batch.map((entry) => entry.item));
      this.answer(batch, answers, 0);
      return true;
    } catch (error) {
      if (batch.length > 1 && this.options.isolates(error)) {
        for (const entry of batch) await this.run([entry]);
      } else {
        for (const entry of batch) entry.reject(error);
      }
      return false;
    }
  }
}
