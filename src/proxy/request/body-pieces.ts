/** A piece of at least so many bytes is kept as it came: it is most of what Node has read it into. */
const LARGE_PIECE = 16_384;
const FIRST_SLAB = 4_096;
const LARGEST_SLAB = 65_536;

/**
 * A body as it comes, piece by piece. Small pieces are copied together: as objects, pieces of one byte would take two hundred
 * times what they hold, and each may keep all that was read with it.
 */
export class BodyPieces {
  private readonly whole: Buffer[] = [];
  private slab = Buffer.alloc(0);
  /** Of the last one: they grow, so that a short body does not hold much more than its bytes. */
  private slabSize = 0;
  private filled = 0;
  private bytes = 0;

  get size(): number {
    return this.bytes;
  }

  add(piece: Buffer): void {
    this.bytes += piece.length;
    if (piece.length >= LARGE_PIECE) {
      this.closeSlab();
      this.whole.push(piece);
      return;
    }
    for (let at = 0; at < piece.length;) {
      if (this.filled === this.slab.length) this.openSlab(piece.length - at);
      const copied = piece.copy(this.slab, this.filled, at);
      this.filled += copied;
      at += copied;
    }
  }

  /** All of it; to be asked once. */
  together(): Buffer {
    this.closeSlab();
    const [only] = this.whole;
    return this.whole.length === 1 && only ? only : Buffer.concat(this.whole, this.bytes);
  }

  clear(): void {
    this.whole.length = 0;
    this.slab = Buffer.alloc(0);
    this.filled = 0;
  }

  private openSlab(atLeast: number): void {
    this.closeSlab();
    this.slabSize = Math.min(LARGEST_SLAB, Math.max(FIRST_SLAB, atLeast, 2 * this.slabSize));
    this.slab = Buffer.allocUnsafeSlow(this.slabSize);
  }

  private closeSlab(): void {
    if (this.filled > 0) this.whole.push(this.slab.subarray(0, this.filled));
    this.slab = Buffer.alloc(0);
    this.filled = 0;
  }
}
