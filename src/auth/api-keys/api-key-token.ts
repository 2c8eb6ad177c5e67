import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'llmk_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const FORM = /^llmk_[0-9A-Za-z]{49}$/;
const SHOWN_PREFIX_LENGTH = 8;

/** A new API key: `llmk_`, 256 random bits in base62, and the CRC-32 of those characters in base62. */
export function mintApiKey(): string {
  const secret = toBase62(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_LENGTH);
  return PREFIX + secret + checksumOf(secret);
}

/** False for a mistyped or made-up key, without asking anybody. */
export function isApiKey(text: string): boolean {
  if (!FORM.test(text)) return false;
  const secret = text.slice(PREFIX.length, PREFIX.length + SECRET_LENGTH);
  return text.endsWith(checksumOf(secret));
}

/** True for what was meant as one of our API keys, right or wrong. */
export function looksLikeApiKey(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** What is stored of a key. */
export function apiKeyHash(pepper: string, key: string): Buffer {
  return createHmac('sha256', pepper).update(key).digest();
}

/** What may be shown of a key for ever: enough to recognise it, useless to whoever reads it. */
export function apiKeyHint(key: string): { prefix: string; lastFour: string } {
  return { prefix: key.slice(0, SHOWN_PREFIX_LENGTH), lastFour: key.slice(-4) };
}

function checksumOf(secret: string): string {
  return toBase62(BigInt(crc32(secret)), CHECKSUM_LENGTH);
}

function toBase62(number: bigint, length: number): string {
  let rest = number;
  let text = '';
  while (rest > 0n) {
    text = ALPHABET.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text.padStart(length, '0');
}
