/**
 * Marks in a row beyond which a text is not normalised here. They are put in order one by one, each moved past those before
 * it: the time grows with the square of their number, and 100 kB of marks would stop the process for a second, 1 MB for a
 * minute and a half. No script has so many on one letter; Unicode's own "stream-safe" text has 30.
 */
const LONGEST_RUN = 32;
/** Nor is a longer text, in UTF-16 units: it may become a text of hundreds of megabytes, and fits no window as it is. */
export const LONGEST_TEXT = 2_000_000;
/** The most that any text can grow by. */
export const MOST_GROWTH = 11;

/** Behind these there are only marks that are never put in order. */
const CODE_POINTS = 0x20000;
/** Signs that become marks when they are normalised, and are none before. */
const BECOME_MARKS = [0xff9e, 0xff9f];
let marks: Uint8Array | undefined;

/** The most bytes a text may have once it is normalised, by NFC or by NFKC. */
export function bytesOnceNormalised(text: string): number {
  if (text.length > LONGEST_TEXT || hasLongRun(text)) return Buffer.byteLength(text) * MOST_GROWTH;
  return Math.max(Buffer.byteLength(text.normalize('NFC')), Buffer.byteLength(text.normalize('NFKC')));
}

function hasLongRun(text: string): boolean {
  marks ??= findMarks();
  let run = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code >= 0xd800 && code < 0xdc00) {
      code = text.codePointAt(at) as number;
      if (code > 0xffff) at += 1;
    }
    run = marks[code] === 1 ? run + 1 : 0;
    if (run > LONGEST_RUN) return true;
  }
  return false;
}

/** A regular expression over the text itself would take ten times as long. */
function findMarks(): Uint8Array {
  const found = new Uint8Array(CODE_POINTS);
  for (let code = 0x300; code < CODE_POINTS; code += 1) {
    if (/\p{M}/u.test(String.fromCodePoint(code))) found[code] = 1;
  }
  for (const code of BECOME_MARKS) found[code] = 1;
  return found;
}
