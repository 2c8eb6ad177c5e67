import { write, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isoTime } from './iso-time';

const MOST_WAITING_BYTES = 16 * 1_024 * 1_024;
/** What has not come together by then is written all the same; what could not be written is tried again. */
const TICK_MS = 100;
/** A pipe that was full has room as soon as somebody reads. */
const ROOM_IN_A_PIPE_MS = 5;
/** How long the end of the process may wait for a reader. */
const LAST_WORDS_MS = 1_000;
const LOOK_AGAIN_MS = 10;

export interface LogOutputOptions {
  readonly fd: number;
  /** Lines are written when so many bytes of them have come together. */
  readonly gatherBytes: number;
  /** The most that is written at once, unless one line is longer. */
  readonly pieceBytes: number;
  /** What may wait for room on a disk, or for a reader. Lines beyond that are lost. */
  readonly mostWaitingBytes?: number;
  /** Called before each write. */
  readonly unblock?: () => void;
  readonly onLost?: (lines: number) => void;
}

/**
 * Log lines on their way to a file descriptor. Whatever becomes of them there, nobody else waits: a full disk or a reader
 * that reads nothing costs lines, which are counted, and there are lines again as soon as there is room.
 */
export class LogOutput {
  /** Taken out of the pieces to be written; what is left of it begins in the middle of a line. */
  private rest = Buffer.alloc(0);
  private readonly pieces: string[] = [];
  private piece = '';
  private pieceSize = 0;
  /** Bytes of all three. */
  private waiting = 0;
  private isWriting = false;
  /** For a while: a disk that is full for one line is full for the next. */
  private isStuck = false;
  private untold = 0;
  /** How long the exit may wait for a reader. */
  private patienceMs = LAST_WORDS_MS;
  /** Told of lines that are lost. */
  onLost: (lines: number) => void;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: LogOutputOptions) {
    this.onLost = options.onLost ?? (() => undefined);
    this.timer = setInterval(() => this.writeAgain(), TICK_MS).unref();
    process.once('exit', this.atExit);
  }

  /** Nothing is written any more, as has to be before the descriptor is closed: its number may be a socket's next. */
  stop(): void {
    clearInterval(this.timer);
    process.off('exit', this.atExit);
    this.dropAll();
  }

  write(line: string): void {
    const size = Buffer.byteLength(line);
    if (this.waiting + size > (this.options.mostWaitingBytes ?? MOST_WAITING_BYTES)) {
      this.lose(1);
      return;
    }
    this.append(line, size);
    if (this.waiting >= this.options.gatherBytes) this.writeOn();
  }

  /** For what somebody waits for, or must not be lost with this process: it does not wait for company. */
  writeNow(text: string): void {
    this.write(text);
    this.writeOn();
  }

  /** Resolves when all is written, or has waited for a reader long enough; then the exit does not wait any more. */
  async lastWords(): Promise<void> {
    const deadline = performance.now() + LAST_WORDS_MS;
    this.writeAgain();
    while (this.waiting > 0 && performance.now() < deadline) await sleep(LOOK_AGAIN_MS);
    this.patienceMs = 0;
  }

  private append(line: string, size: number): void {
    if (this.pieceSize > 0 && this.pieceSize + size > this.options.pieceBytes) this.closePiece();
    this.piece += line;
    this.pieceSize += size;
    this.waiting += size;
  }

  private closePiece(): void {
    this.pieces.push(this.piece);
    this.piece = '';
    this.pieceSize = 0;
  }

  private writeAgain(): void {
    this.isStuck = false;
    this.writeOn();
  }

  private writeOn(): void {
    if (this.isWriting || this.isStuck || !this.takeUp()) return;
    this.isWriting = true;
    this.options.unblock?.();
    write(this.options.fd, this.rest, (error, written) => {
      this.isWriting = false;
      if (error) this.failed(error);
      else this.wrote(written);
    });
  }

  /** Makes sure that there is a rest to be written. @returns false when nothing waits */
  private takeUp(): boolean {
    if (this.rest.length > 0) return true;
    if (this.pieces.length === 0) {
      if (this.pieceSize === 0) return false;
      this.closePiece();
    }
    this.rest = Buffer.from(this.pieces.shift() ?? '');
    return true;
  }

  private wrote(bytes: number): void {
    this.rest = this.rest.subarray(bytes);
    this.waiting -= bytes;
    if (this.untold > 0) this.tellOfLost();
    const isMuch = this.waiting >= this.options.gatherBytes;
    if (isMuch || this.rest.length > 0 || this.pieces.length > 0) this.writeOn();
  }

  private failed(error: NodeJS.ErrnoException): void {
    this.isStuck = true;
    if (error.code === 'EAGAIN') setTimeout(() => this.writeAgain(), ROOM_IN_A_PIPE_MS).unref();
    // Nobody reads, and most likely nobody ever will: nothing is kept for them.
    if (error.code === 'EPIPE') this.loseAll();
  }

  private lose(lines: number): void {
    this.untold += lines;
    this.onLost(lines);
  }

  private loseAll(): void {
    const texts = [this.rest.toString('latin1'), ...this.pieces, this.piece];
    this.lose(texts.reduce((sum, text) => sum + text.split('\n').length - 1, 0));
    this.dropAll();
  }

  private dropAll(): void {
    this.rest = Buffer.alloc(0);
    this.pieces.length = 0;
    this.piece = '';
    this.pieceSize = 0;
    this.waiting = 0;
  }

  /** Stands where they are missing: behind what waited when the first was lost. */
  private tellOfLost(): void {
    const line = `{"level":"error","time":"${isoTime()}","lines":${this.untold},"msg":"log lines are lost: they could not be written"}\n`;
    this.untold = 0;
    this.append(line, line.length);
  }

  /** At the exit: nothing is asynchronous any more, and nothing may keep the process from ending. */
  private readonly atExit = (): void => {
    const deadline = performance.now() + this.patienceMs;
    // What is being written is brought to its end by the thread that writes it.
    if (this.isWriting) this.rest = Buffer.alloc(0);
    while (this.takeUp()) {
      try {
        this.options.unblock?.();
        this.rest = this.rest.subarray(writeSync(this.options.fd, this.rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
      }
    }
  };
}
