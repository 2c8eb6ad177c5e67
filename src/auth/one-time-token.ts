import { createHash, randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;

/** What a token is for: `llmp_` sets a password, `llmi_` is an invitation. */
export type OneTimePrefix = 'llmp_' | 'llmi_';

/** 256 random bits behind a prefix that says what they are for. */
export function mintOneTimeToken(prefix: OneTimePrefix): string {
  return prefix + randomBytes(SECRET_BYTES).toString('base64url');
}

/** What is stored of a token. A fast hash will do: nobody guesses 256 bits. */
export function oneTimeTokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
