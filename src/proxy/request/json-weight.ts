import { ApiException } from '../../common/api.exception';
import { stringEnd } from '../../common/json-members';

/** Smaller bodies cannot hold enough to be worth a look, in bytes. */
const LOOKED_AT_FROM = 64 * 1_024;
/** Lists, objects and members of objects: each costs some twenty times its bytes once it is parsed. */
const MOST_PARTS = 150_000;
/** Members of one object: V8 keeps so many in a table of hashes, which takes it 2 µs for each and more. */
const MOST_MEMBERS = 30_000;
/** Fields of the body itself. */
export const MAX_FIELDS = 256;
/** Items of lists: as many as a prompt of token ids may have. */
const MOST_ITEMS = 2_000_000;
export const MAX_DEPTH = 64;

const BYTES_PER_PART = 64;
const BYTES_PER_ITEM = 8;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Refuses a body of which more would be made than can be borne, before it is parsed: ten million empty objects fit into
 * 32 MiB, and would stop the process for ten seconds and take more than a gigabyte.
 * @param json of which nobody knows yet whether it is JSON
 * @returns the bytes of heap that its lists, objects and members will take, about; its texts come on top
 * @throws ApiException 400
 */
export function refuseHeavyJson(json: Buffer): number {
  if (json.length < LOOKED_AT_FROM) return 0;
  let depth = 0;
  const members = new Uint32Array(MAX_DEPTH + 2);
  let parts = 0;
  let items = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) at = stringEnd(json, at) - 1;
    else if (byte === COMMA) items += 1;
    else if (byte === COLON) {
      parts += 1;
      const has = (members[depth] ?? 0) + 1;
      members[depth] = has;
      if (depth === 1 && has > MAX_FIELDS) throw tooManyFields();
      if (has > MOST_MEMBERS) throw tooManyMembers();
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      parts += 1;
      depth += 1;
      members[depth] = 0;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1;
    if (depth > MAX_DEPTH + 1) throw tooDeep();
    if (parts > MOST_PARTS || items > MOST_ITEMS) throw tooHeavy();
  }
  return parts * BYTES_PER_PART + items * BYTES_PER_ITEM;
}

export const tooDeep = (): ApiException =>
  new ApiException({
    status: 400,
    code: 'invalid_json',
    message: `The body nests deeper than ${MAX_DEPTH} levels.`,
  });

export const tooManyFields = (): ApiException =>
  new ApiException({
    status: 400,
    code: 'invalid_json',
    message: `The body has more than ${MAX_FIELDS} fields.`,
  });

const tooManyMembers = (): ApiException =>
  new ApiException({
    status: 400,
    code: 'invalid_json',
    message: `An object in the body has more than ${MOST_MEMBERS} fields.`,
  });

const tooHeavy = (): ApiException =>
  new ApiException({
    status: 400,
    code: 'invalid_json',
    message:
      `The body holds more than ${MOST_PARTS} lists, objects and fields, or more than ${MOST_ITEMS} values. ` +
      'Send less at once.',
  });
