import { toLatin1 } from './model-name';

const FIELD = 'data:';
const LINE_END = /\r\n|\n|\r/;
const SPACE = 0x20;

/** Whether an event says anything; what does not is a comment, or a field that no client of vLLM reads. */
export const hasData = (frame: string): boolean => frame.startsWith(FIELD) || frame.includes(`\n${FIELD}`);

/**
 * An event as vLLM writes them, one line of compact JSON behind `data: `. vLLM itself writes no others; what stands
 * between may put a comment or the kind of the event before it, or write its JSON anew.
 */
export function plainEvent(frame: string): string {
  if (!hasData(frame)) return frame;
  const lines = frame.split(LINE_END).filter((line) => line.startsWith(FIELD));
  const data = lines.map((line) => line.slice(FIELD.length).replace(/^ /, ''));
  return `${FIELD} ${data.length === 1 ? compactJson(data[0] as string) : writtenAnew(data.join('\n'))}`;
}

/** Without blanks between its parts, which is how usage and names are looked for in it. */
export function compactJson(text: string): string {
  return isSpaced(text) ? writtenAnew(text) : text;
}

/** Told by the first key, which is found at once. */
export const isSpaced = (text: string, from = 0): boolean => {
  const colon = text.indexOf(':', from);
  return colon !== -1 && text.charCodeAt(colon + 1) === SPACE;
};

/** Its escapes become characters, which are bytes of UTF-8 only then. */
function writtenAnew(latin1: string): string {
  try {
    return toLatin1(JSON.stringify(JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8'))));
  } catch {
    return latin1;
  }
}
