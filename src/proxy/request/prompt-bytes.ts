import { isAscii } from 'node:buffer';
import type { JsonMember } from '../../common/json-members';
import { bytesOnceNormalised, LONGEST_TEXT, MOST_GROWTH } from './normalised-bytes';

/** What is known of a body whose prompt is bounded. */
interface Body {
  readonly bytes: Buffer;
  readonly members: readonly JsonMember[];
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Fields that a chat template writes as JSON of its own. */
const RENDERED_FIELDS: ReadonlySet<string> = new Set([
  'tools',
  'tool_choice',
  'documents',
  'response_format',
  'chat_template_kwargs',
]);

/**
 * How often a part of a tool may be written: by vLLM's own template for Hermes names of properties three times and their
 * descriptions twice, by that of Qwen3-Coder twice what else a schema has.
 */
const TOOLS_WRITTEN = 3;
/**
 * What surrounds an argument of an earlier call where it is written in words of the template's own: about 17 tokens with
 * DeepSeek V3.2, 10 with Qwen3-Coder. Its colon tells.
 */
const AROUND_AN_ARGUMENT = 24;

/** A space, or a line break and what it is indented by, which no tokenizer takes apart into more. */
const AROUND_A_MARK = 3;
/** `1e15` is written as `1000000000000000.0`, and `9e20` with all its digits by who has no other way. */
const EXPONENT = 21;

/** What a byte of JSON may become longer by when it is read and written again. */
const GROWTH = new Uint8Array(256);
for (const mark of '[]{},:') GROWTH[mark.charCodeAt(0)] = AROUND_A_MARK;
// Python's JSON writes what is not ASCII as \u00e9 unless it is told otherwise, or as two of those: six bytes for the two,
// or the three, and twelve for the four that it has now. Told by the first of them.
GROWTH.fill(4, 0xc0).fill(3, 0xe0).fill(8, 0xf0);
for (const exponent of 'eE') GROWTH[exponent.charCodeAt(0)] = EXPONENT;

const COLON = 0x3a;
const LOWER_E = 0x65;
const UPPER_E = 0x45;
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/**
 * The most bytes a tokenizer may get to see of a body, and so the most tokens: vLLM does not tokenize what was sent but
 * what its template made of it. Tools and their like are written anew, with spaces and numbers of its own; and a tokenizer
 * that normalises text (NFC and NFKC are in use) may make it longer.
 */
export function promptBytes(body: Body): number {
  return body.bytes.length + growthByRendering(body) + growthByNormalising(body);
}

/** The same for a text by itself. */
export function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes : Math.max(bytes, bytesOnceNormalised(text));
}

/** The same for one of many, which are too long together to be normalised one after the other where one of them would be. */
export function mostBytesOf(texts: readonly string[]): (text: string) => number {
  const length = texts.reduce((sum, text) => sum + (isAsciiText(text) ? 0 : text.length), 0);
  if (length <= LONGEST_TEXT) return textBytes;
  return (text) => Buffer.byteLength(text) * (isAsciiText(text) ? 1 : MOST_GROWTH);
}

const isAsciiText = (text: string): boolean => Buffer.byteLength(text) === text.length;

/** The same for a value that a template writes as JSON. */
export function renderedBytes(value: unknown): number {
  const json = JSON.stringify(value);
  return textBytes(json) + growthOf(Buffer.from(json));
}

function growthByRendering({ bytes, members, fields }: Body): number {
  let growth = 0;
  for (const { key, valueStart, end } of members) {
    if (!RENDERED_FIELDS.has(key)) continue;
    const value = bytes.subarray(valueStart, end);
    const grown = growthOf(value);
    growth += grown;
    if (key === 'tools')
      growth += (TOOLS_WRITTEN - 1) * (value.length + grown - describedBytes(fields.tools));
  }
  if (!Array.isArray(fields.messages)) return growth;
  for (const message of fields.messages as (Record<string, unknown> | null)[]) {
    for (const key in message) {
      const value = message[key];
      if (typeof value !== 'object' || value === null || key === 'content') continue;
      // Their arguments are text that holds JSON: templates get them as objects.
      if (key === 'tool_calls') growth += growthOfCalls(Buffer.from(JSON.stringify(value)));
      else if (key === 'tools') growth += TOOLS_WRITTEN * renderedBytes(value);
      // Tools of a developer, a form of the answer and whatever else a release renders as JSON. Here they are parsed
      // already, which has changed their numbers: they count anew.
      else growth += renderedBytes(value);
    }
  }
  return growth;
}

/** What tools say of themselves, which is written once: most of what a coding agent sends of them. */
function describedBytes(tools: unknown): number {
  if (!Array.isArray(tools)) return 0;
  let bytes = 0;
  for (const tool of tools as ({ function?: { description?: unknown } | null } | null)[]) {
    const description = tool?.function?.description;
    if (typeof description === 'string') bytes += Buffer.byteLength(description);
  }
  return bytes;
}

function growthOf(json: Uint8Array): number {
  let growth = 0;
  let before = 0;
  for (const code of json) {
    const more = GROWTH[code] as number;
    // An e that follows a digit; in a text it is counted for nothing worse.
    if (more !== 0 && ((code !== LOWER_E && code !== UPPER_E) || isDigit(before))) growth += more;
    before = code;
  }
  return growth;
}

function growthOfCalls(json: Uint8Array): number {
  let colons = 0;
  for (const code of json) if (code === COLON) colons += 1;
  return growthOf(json) + colons * AROUND_AN_ARGUMENT;
}

function growthByNormalising({ bytes, fields }: Body): number {
  const escapes = bytes.includes('\\u');
  if (!escapes && isAscii(bytes)) return 0;
  const text = escapes ? JSON.stringify(fields) : bytes.toString('utf8');
  return Math.max(0, bytesOnceNormalised(text) - bytes.length);
}
