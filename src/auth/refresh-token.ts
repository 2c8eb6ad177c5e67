import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { parse as parseUuid, stringify as stringifyUuid } from 'uuid';

/**
 * A refresh token: `llmr_` and base64url of session id (16 bytes), generation (4), secret (32) and tag (20). The
 * tag tells an old token of ours from a forged one without asking the database.
 */
export interface RefreshToken {
  readonly sessionId: string;
  readonly generation: number;
  readonly secret: Buffer;
}

const PREFIX = 'llmr_';
const BODY_BYTES = 16 + 4 + 32;
const TAG_BYTES = 20;
const FORM = /^llmr_[A-Za-z0-9_-]{96}$/;

export function formatRefreshToken(key: Buffer, token: RefreshToken): string {
  const generation = Buffer.alloc(4);
  generation.writeUInt32BE(token.generation);
  const body = Buffer.concat([parseUuid(token.sessionId), generation, token.secret]);
  return PREFIX + Buffer.concat([body, tagOf(key, body)]).toString('base64url');
}

/** Null for anything this key has not made. */
export function parseRefreshToken(key: Buffer, text: string): RefreshToken | null {
  if (!FORM.test(text)) return null;
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
  const body = bytes.subarray(0, BODY_BYTES);
  if (!timingSafeEqual(tagOf(key, body), bytes.subarray(BODY_BYTES))) return null;
  return {
    sessionId: stringifyUuid(body.subarray(0, 16)),
    generation: body.readUInt32BE(16),
    secret: body.subarray(20),
  };
}

/** The one token that can follow: derived, so that a lost answer can be repeated without storing it. */
export function successorOf(key: Buffer, token: RefreshToken): RefreshToken {
  return {
    sessionId: token.sessionId,
    generation: token.generation + 1,
    secret: createHmac('sha256', key).update('successor').update(token.secret).digest(),
  };
}

export function refreshTokenHash(token: RefreshToken): Buffer {
  return createHash('sha256').update(token.secret).digest();
}

function tagOf(key: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', key).update('tag').update(body).digest().subarray(0, TAG_BYTES);
}
