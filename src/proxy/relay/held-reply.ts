import type { TokenUsage } from '../../usage/token-usage';
import type { UpstreamHeaders } from '../upstream/upstream.client';
import type { Reply } from './refusal';
import { LARGEST_REPLY, ReplyMemory } from './reply-memory';
import { findUsage, parseUsage, USAGE_KEY } from './usage-text';

/** A usage object is shorter than this, so that one which two pieces share is found. */
const LONGEST_USAGE = 4_096;
/** What is read of one answer at most, in bytes: its usage may stand at its very end. */
const MOST_READ = 16 * LARGEST_REPLY;

/**
 * An answer that is no stream, held until it is complete. One that is too large is let go of and read on: vLLM has
 * generated all of it by then, and says at its end what that was.
 */
export class HeldReply {
  private chunks: Buffer[] = [];
  private held = 0;
  private read = 0;
  private overflowed = false;
  private tail: Buffer = Buffer.alloc(0);
  private usageText: string | null = null;

  constructor(
    readonly status: number,
    private readonly headers: UpstreamHeaders,
    private readonly memory: ReplyMemory,
  ) {}

  /** @returns false when it is not worth reading on */
  push(chunk: Buffer): boolean {
    this.read += chunk.length;
    if (!this.overflowed && this.memory.take(chunk.length, this.held)) {
      this.held += chunk.length;
      this.chunks.push(chunk);
      return true;
    }
    if (!this.overflowed) this.letGo();
    this.lookForUsage(chunk);
    return this.read <= MOST_READ;
  }

  get isTooLarge(): boolean {
    return this.overflowed;
  }

  /** To be asked for once: the pieces are let go of. */
  whole(): Reply {
    const body = Buffer.concat(this.chunks);
    this.chunks = [];
    return { status: this.status, headers: this.headers, body };
  }

  /** Of an answer that is too large, as far as it has come. */
  get usage(): TokenUsage | null {
    return this.usageText === null ? null : parseUsage(this.usageText);
  }

  free(): void {
    this.memory.give(this.held);
    this.held = 0;
    this.chunks = [];
  }

  private letGo(): void {
    this.overflowed = true;
    for (const chunk of this.chunks) this.lookForUsage(chunk);
    this.free();
  }

  private lookForUsage(chunk: Buffer): void {
    // Bytes are searched many times as fast as text, of which a large answer makes a lot.
    const bytes = Buffer.concat([this.tail, chunk]);
    const key = bytes.lastIndexOf(USAGE_KEY);
    if (key !== -1) this.usageText = findUsage(bytes.toString('latin1', key))?.json ?? this.usageText;
    this.tail = bytes.subarray(-LONGEST_USAGE);
  }
}
