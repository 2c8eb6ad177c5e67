/** The longest event held while its end has not come, in bytes. */
const LONGEST_EVENT = 64 * 1_024 * 1_024;

export class EventTooLongError extends Error {}

const LF_END = '\n\n';
// vLLM writes \n; a server that writes \r\n must not be taken for one endless event.
const CRLF_END = '\r\n\r\n';

/**
 * Splits a byte stream into server-sent events at blank lines, keeping a partial one between calls. Text is latin1:
 * one character a byte, so split UTF-8 needs no care.
 */
export class SseFrames {
  // Joined once its end has come: an event of megabytes comes in thousands of pieces.
  private pieces: string[] = [];
  private length = 0;
  /** The last characters held: the first half of an end may be among them. */
  private tail = '';

  /** Calls `each` with every complete event, without its blank line. */
  push(text: string, each: (frame: string) => void): void {
    if (this.length === 0) return this.split(text, each);
    const seam = this.tail + text;
    if (!seam.includes(LF_END) && !seam.includes(CRLF_END)) return this.hold(text);
    this.pieces.push(text);
    const buffer = this.pieces.join('');
    this.pieces = [];
    this.length = 0;
    this.tail = '';
    this.split(buffer, each);
  }

  /** The beginning of what came after the last blank line; '' when that is nothing. */
  get begun(): string {
    return this.pieces[0] ?? '';
  }

  private split(buffer: string, each: (frame: string) => void): void {
    let start = 0;
    let lf = buffer.indexOf(LF_END);
    let crlf = buffer.indexOf(CRLF_END);
    while (lf !== -1 || crlf !== -1) {
      const endsInCrlf = crlf !== -1 && (lf === -1 || crlf < lf);
      const end = endsInCrlf ? crlf : lf;
      if (end > start) each(buffer.slice(start, end));
      start = end + (endsInCrlf ? CRLF_END : LF_END).length;
      // Each is looked for again only once it has been passed.
      if (lf !== -1 && lf < start) lf = buffer.indexOf(LF_END, start);
      if (crlf !== -1 && crlf < start) crlf = buffer.indexOf(CRLF_END, start);
    }
    if (start < buffer.length) this.hold(start === 0 ? buffer : buffer.slice(start));
  }

  private hold(text: string): void {
    this.pieces.push(text);
    this.length += text.length;
    this.tail = (this.tail + text.slice(1 - CRLF_END.length)).slice(1 - CRLF_END.length);
    if (this.length > LONGEST_EVENT) throw new EventTooLongError();
  }
}
