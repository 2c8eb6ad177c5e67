/** The longest event held while its end has not come, in bytes. */
const LONGEST_EVENT = 64 * 1_024 * 1_024;

export class EventTooLongError extends Error {}

/**
 * Splits a byte stream into server-sent events at blank lines, keeping a partial one between calls. Text is latin1:
 * one character a byte, so split UTF-8 needs no care.
 */
export class SseFrames {
  private partial = '';

  /** Calls `each` with every complete event, without its blank line. */
  push(text: string, each: (frame: string) => void): void {
    const buffer = this.partial === '' ? text : this.partial + text;
    let start = 0;
    for (;;) {
      const end = frameEnd(buffer, start);
      if (end === null) break;
      if (end.at > start) each(buffer.slice(start, end.at));
      start = end.next;
    }
    this.partial = start === 0 ? buffer : buffer.slice(start);
    if (this.partial.length > LONGEST_EVENT) throw new EventTooLongError();
  }

  /** What came after the last blank line. */
  get rest(): string {
    return this.partial;
  }
}

function frameEnd(text: string, from: number): { at: number; next: number } | null {
  const lf = text.indexOf('\n\n', from);
  // vLLM writes \n; a server that writes \r\n must not be taken for one endless event.
  const crlf = text.indexOf('\r\n\r\n', from);
  if (crlf !== -1 && (lf === -1 || crlf < lf)) return { at: crlf, next: crlf + 4 };
  return lf === -1 ? null : { at: lf, next: lf + 2 };
}
