import type { IncomingMessage } from 'node:http';
import { getHeapStatistics } from 'node:v8';

const MIB = 1_024 * 1_024;

/** All bodies together, in bytes, where one may not be larger than an eighth of it. */
const MOST_HELD = 512 * MIB;
/** There is room for bodies up to this size in any case. */
const SMALL_BODY = MIB;
const AT_LEAST_AT_ONCE = 8;
/** What a body is parsed to takes up to four times its bytes of Node's heap for a moment, and Node ends when that is full. */
const SHARE_OF_HEAP = 6;
/** Those of up to a hundred-and-twenty-eighth of all the room are small, too, where there is little. */
const SMALL_SHARE = 128;

interface HeldBody {
  bytes: number;
  /** Null once it has all come: it is about to be decided. */
  giveUp: (() => void) | null;
}

/**
 * What the request bodies of this process hold until they are decided about. Nothing is reserved or billed so far, and a
 * client that has sent most of a large body may take hours for the rest: where there is no more room, the one that has been
 * at it for the longest makes it.
 */
export class BodyMemory {
  private held = 0;
  private readonly most: number;
  private readonly small: number;
  /** In the order in which they began. */
  private readonly bodies = new Map<IncomingMessage, HeldBody>();

  /** @param largest a body may be, in bytes */
  constructor(largest: number, heap = getHeapStatistics().heap_size_limit) {
    const wanted = Math.max(MOST_HELD, AT_LEAST_AT_ONCE * largest);
    this.most = Math.min(wanted, Math.max(largest, heap / SHARE_OF_HEAP));
    this.small = Math.min(SMALL_BODY, this.most / SMALL_SHARE);
  }

  /** @param giveUp is called when others need the room, perhaps at once; what it holds is forgotten by then */
  take(request: IncomingMessage, more: number, giveUp: () => void): void {
    const body = this.bodies.get(request) ?? { bytes: 0, giveUp };
    this.bodies.set(request, body);
    body.bytes += more;
    this.held += more;
    if (this.held > this.most) this.makeRoom();
  }

  /**
   * What it is parsed to counts, too.
   * @returns false when there is no room for that: it is to be refused, and nothing is held of it
   */
  weigh(request: IncomingMessage, more: number): boolean {
    if (more === 0) return true;
    const body = this.bodies.get(request) ?? { bytes: 0, giveUp: null };
    this.bodies.set(request, body);
    body.bytes += more;
    this.held += more;
    this.makeRoom();
    // One by itself is always taken: there will never be more room for it.
    if (this.held <= this.most || this.bodies.size === 1) return true;
    this.release(request);
    return false;
  }

  /** All of it has come. */
  keep(request: IncomingMessage): void {
    const body = this.bodies.get(request);
    if (body) body.giveUp = null;
  }

  /** Nothing of it is held any more, or vLLM gets it now. */
  release(request: IncomingMessage): void {
    this.held -= this.bodies.get(request)?.bytes ?? 0;
    this.bodies.delete(request);
  }

  private makeRoom(): void {
    for (const [request, { bytes, giveUp }] of this.bodies) {
      if (this.held <= this.most) return;
      if (bytes <= this.small || giveUp === null) continue;
      this.release(request);
      giveUp();
    }
  }
}
