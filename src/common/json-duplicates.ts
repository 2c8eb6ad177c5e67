import { JsonMember, keyAt, skipSpace, stringEnd } from './json-members';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** What is said of a key that may be as long as the body, in characters. */
const LONGEST_PATH = 200;
/** In more than this it is not looked for which key it is: that takes many times as long as to know that there is one. */
const SEARCHED_UP_TO = 1_024 * 1_024;

export interface DuplicateKey {
  readonly path: string;
  /** Not the key itself, but a member that has it somewhere inside. */
  readonly isInside: boolean;
}

/**
 * The first key that stands twice in one object, as `messages[0].role`; null when there is none. Clients, servers and what
 * is between them disagree about which of the two counts.
 * @param members of the same bytes
 * @param fields what JSON.parse made of them
 */
export function duplicateKey(
  json: Buffer,
  members: readonly JsonMember[],
  fields: Readonly<Record<string, unknown>>,
): DuplicateKey | null {
  // JSON.parse keeps the last of two, so that fewer keys come out than are written: no object need be looked at for which.
  const isTwiceAmong = Object.keys(fields).length !== members.length;
  const found = isTwiceAmong ? twiceAmong(members) : twiceInside(json, members, fields);
  return found && { ...found, path: found.path.slice(0, LONGEST_PATH) };
}

export function standsTwice({ path, isInside }: DuplicateKey): string {
  const what = isInside ? 'has a key inside that stands twice in one object' : 'stands twice in the body';
  return `${path} ${what}; send it once.`;
}

function twiceAmong(members: readonly JsonMember[]): DuplicateKey | null {
  const seen = new Set<string>();
  for (const { key } of members) {
    if (seen.has(key)) return { path: key, isInside: false };
    seen.add(key);
  }
  return null;
}

function twiceInside(
  json: Buffer,
  members: readonly JsonMember[],
  fields: Readonly<Record<string, unknown>>,
): DuplicateKey | null {
  for (const { key, valueStart, end, keysInside } of members) {
    if (keysInside === 0 || keysIn(fields[key]) === keysInside) continue;
    const isLarge = end - valueStart > SEARCHED_UP_TO;
    const path = isLarge ? null : new Search(json.subarray(valueStart, end)).value(key);
    return { path: path ?? key, isInside: path === null };
  }
  return null;
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') keys += keysIn(item);
    return keys;
  }
  for (const key in value) {
    keys += 1;
    const member = (value as Record<string, unknown>)[key];
    if (typeof member === 'object') keys += keysIn(member);
  }
  return keys;
}

/** Looks at every object of a value. */
class Search {
  private at = 0;

  constructor(private readonly json: Buffer) {}

  /** Goes behind the next value, or returns what is twice in it. */
  value(path: string): string | null {
    const byte = this.next();
    if (byte === OPEN_BRACE) return this.object(path);
    if (byte === OPEN_BRACKET) return this.list(path);
    if (byte === QUOTE) this.at = stringEnd(this.json, this.at);
    else while (this.at < this.json.length && !endsScalar(this.json[this.at] as number)) this.at += 1;
    return null;
  }

  private object(path: string): string | null {
    const keys = new Set<string>();
    this.at += 1;
    while (this.next() === QUOTE) {
      const end = stringEnd(this.json, this.at);
      const key = keyAt(this.json, this.at, end);
      const keyPath = `${path}.${key}`;
      if (keys.has(key)) return keyPath;
      keys.add(key);
      this.at = end;
      this.next();
      this.at += 1;
      const found = this.value(keyPath);
      if (found !== null) return found;
      if (this.next() === COMMA) this.at += 1;
    }
    this.at += 1;
    return null;
  }

  private list(path: string): string | null {
    this.at += 1;
    for (let index = 0; this.next() !== CLOSE_BRACKET && this.at < this.json.length; index += 1) {
      const found = this.value(`${path}[${index}]`);
      if (found !== null) return found;
      if (this.next() === COMMA) this.at += 1;
    }
    this.at += 1;
    return null;
  }

  private next(): number | undefined {
    this.at = skipSpace(this.json, this.at);
    return this.json[this.at];
  }
}

const endsScalar = (byte: number): boolean =>
  byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte <= 0x20;
