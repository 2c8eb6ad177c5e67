import type { IncomingMessage } from 'node:http';

const MIB = 1_024 * 1_024;

/** All bodies together, in bytes, where one may not be larger than an eighth of it. */
const MOST_HELD = 512 * MIB;
/** There is room for bodies up to this size in any case. */
const SMALL_BODY = MIB;
const AT_LEAST_AT_ONCE = 8;

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
  /** In the order in which they began. */
  private readonly bodies = new Map<IncomingMessage, HeldBody>();

  /** @param largest a body may be, in bytes */
  constructor(largest: number) {
    this.most = Math.max(MOST_HELD, AT_LEAST_AT_ONCE * largest);
  }

  /** @param giveUp is called when others need the room, perhaps at once; what it holds is forgotten by then */
  take(request: IncomingMessage, more: number, giveUp: () => void): void {
    const body = this.bodies.get(request) ?? { bytes: 0, giveUp };
    this.bodies.set(request, body);
    body.bytes += more;
    this.held += more;
    if (this.held > this.most) this.makeRoom();
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
      if (bytes <= SMALL_BODY || giveUp === null) continue;
      this.release(request);
      giveUp();
    }
  }
}
