const MIB = 1_024 * 1_024;

/** The largest answer held in memory, in bytes. */
export const LARGEST_REPLY = 128 * MIB;
/** All answers together: above it there is room for small ones only. */
const MOST_HELD = 512 * MIB;
const SMALL_REPLY = MIB;

/** What the whole answers of this process hold until they are read: a few requests can ask for more than it has. */
export class ReplyMemory {
  private held = 0;

  /**
   * Asks for `more` bytes for an answer that holds `size` already.
   * @returns false when there is no room for them
   */
  take(more: number, size: number): boolean {
    const total = size + more;
    if (total > LARGEST_REPLY || (total > SMALL_REPLY && this.held + more > MOST_HELD)) return false;
    this.held += more;
    return true;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }
}
