import { isCommonPassword } from './common-passwords';

const MAX_CODE_POINTS = 128;
const MAX_BYTES = 512;
/** A shorter name is a part of words that have nothing to do with it. */
const LEAST_NAME = 4;

export interface PasswordContext {
  readonly minimum: number;
  readonly username: string;
  readonly email?: string | null;
}

/** What `passwordFault` asks for, told to somebody who is about to choose a password. */
export function passwordRules(minimum: number): string {
  return (
    `${minimum} to ${MAX_CODE_POINTS} characters of any kind, spaces included. Nothing like your username or e-mail address, ` +
    'and none of the passwords that attackers try first.'
  );
}

/**
 * Why a password cannot be taken, as a sentence without its subject; null when it can. Length and guessability
 * only: no composition rules, and nothing is trimmed, cut or normalised.
 */
export function passwordFault(password: string, context: PasswordContext): string | null {
  const length = [...password].length;
  if (length < context.minimum) return `must have at least ${context.minimum} characters`;
  if (length > MAX_CODE_POINTS || Buffer.byteLength(password) > MAX_BYTES) {
    return `must have at most ${MAX_CODE_POINTS} characters (${MAX_BYTES} bytes in UTF-8)`;
  }
  if (/\p{Cs}/u.test(password)) return 'must be valid Unicode text';
  const folded = password.toLowerCase();
  if (namesOf(context).some((name) => isLike(name, folded))) {
    return 'must neither contain the username or the e-mail address nor be a part of them';
  }
  if (isCommonPassword(password)) return 'is among the first ones that attackers try; choose another';
  return null;
}

/** No password is so short that it would be a part of a name by chance. */
const isLike = (name: string, password: string): boolean =>
  name.includes(password) || (name.length >= LEAST_NAME && password.includes(name));

function namesOf({ username, email }: PasswordContext): string[] {
  return [username, email ?? '']
    .flatMap((name) => [name, name.split('@', 1)[0] ?? ''])
    .map((name) => name.toLowerCase());
}
