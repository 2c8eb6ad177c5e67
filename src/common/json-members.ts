/** One member of a JSON object, as offsets into its bytes: [start of the key's quote … end of the value). */
export interface JsonMember {
  readonly key: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
  /** Keys written inside its value, however deep. */
  readonly keysInside: number;
}

export class JsonTooDeepError extends Error {}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/**
 * Finds the top-level members of an object, so that single values can be replaced without touching any other byte.
 * @param json bytes that JSON.parse has accepted as an object
 * @throws JsonTooDeepError when values nest deeper than `maxDepth`
 */
export function topLevelMembers(json: Buffer, maxDepth: number): JsonMember[] {
  const members: JsonMember[] = [];
  let at = skipSpace(json, json.indexOf(OPEN_BRACE) + 1);
  while (json[at] === QUOTE) {
    const start = at;
    const keyEnd = stringEnd(json, at);
    const valueStart = skipSpace(json, skipSpace(json, keyEnd) + 1);
    const { end, keysInside } = scanValue(json, valueStart, maxDepth);
    members.push({ key: keyAt(json, start, keyEnd), start, valueStart, end, keysInside });
    at = skipSpace(json, end);
    if (json[at] !== COMMA) break;
    at = skipSpace(json, at + 1);
  }
  return members;
}

/**
 * The object again, with some members left out and some values replaced or added.
 * @param edits key → JSON text of its new value, or null to leave it out
 */
export function withEdits(
  json: Buffer,
  members: readonly JsonMember[],
  edits: ReadonlyMap<string, string | null>,
): Buffer {
  const added: string[] = [];
  let room = json.length + 2;
  for (const [key, edit] of edits) {
    if (edit === null) continue;
    if (!members.some((member) => member.key === key)) added.push(`${JSON.stringify(key)}:${edit}`);
    room += MOST_BYTES * (key.length * LONGEST_ESCAPE + edit.length + 4);
  }
  const out = Buffer.allocUnsafe(room);
  let at = 0;
  const write = (text: string) => (at += out.write(text, at));
  const copy = (from: number, to: number) => (at += json.copy(out, at, from, to));
  for (const { key, start, valueStart, end } of members) {
    const edit = edits.get(key);
    if (edit === null) continue;
    write(at === 0 ? '{' : ',');
    copy(start, edit === undefined ? end : valueStart);
    if (edit !== undefined) write(edit);
  }
  for (const member of added) write((at === 0 ? '{' : ',') + member);
  write(at === 0 ? '{}' : '}');
  return out.subarray(0, at);
}

/** Of a character in UTF-8; and in JSON, as \\u0000. */
const MOST_BYTES = 3;
const LONGEST_ESCAPE = 6;

/** The key that stands in quotes there. */
export function keyAt(json: Buffer, start: number, end: number): string {
  const text = json.toString('utf8', start + 1, end - 1);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

export function skipSpace(json: Buffer, at: number): number {
  let index = at;
  while (index < json.length && (json[index] as number) <= 0x20) index += 1;
  return index;
}

/** Index just behind the closing quote of the string that opens at `at`; the end, when nothing closes it. */
export function stringEnd(json: Buffer, at: number): number {
  const quote = json.indexOf(QUOTE, at + 1);
  if (quote === -1) return json.length;
  if (!isEscaped(json, quote)) return quote + 1;
  // Where there is one escaped quote there are many: looking for each would take longer than looking at each byte.
  let index = quote + 1;
  while (index < json.length && json[index] !== QUOTE) index += json[index] === BACKSLASH ? 2 : 1;
  return index + 1;
}

function isEscaped(json: Buffer, quote: number): boolean {
  let backslashes = 0;
  while (json[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function scanValue(json: Buffer, at: number, maxDepth: number): Pick<JsonMember, 'end' | 'keysInside'> {
  let depth = 0;
  let keysInside = 0;
  let index = at;
  for (;;) {
    const byte = json[index];
    if (byte === undefined) return { end: index, keysInside };
    if (byte === QUOTE) {
      index = stringEnd(json, index);
      if (depth === 0) return { end: index, keysInside };
      continue;
    }
    if (byte === COLON) keysInside += 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      if (depth > maxDepth) throw new JsonTooDeepError();
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return { end: index, keysInside };
      depth -= 1;
      if (depth === 0) return { end: index + 1, keysInside };
    } else if (depth === 0 && (byte === COMMA || byte <= 0x20)) {
      return { end: index, keysInside };
    }
    index += 1;
  }
}
