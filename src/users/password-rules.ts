import { isCommonPassword } from './common-passwords';

const MAX_CODE_POINTS = 128;
const MAX_BYTES = 512;
/** Characters beside a name that make a password of their own: a name may well be a part of one. */
const LEAST_BESIDE = 8;

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
    return 'must be more than the username or the e-mail address, or a part of them, with a few characters around';
  }
  if (isCommonPassword(password)) return 'is among the first ones that attackers try; choose another';
  return null;
}

/** No password is so short that it would be a part of a name by chance. */
const isLike = (name: string, password: string): boolean =>
  name.includes(password) || (name !== '' && isMostly(name, password));

function isMostly(name: string, password: string): boolean {
  const beside = password.replaceAll(name, '');
  return beside.length < password.length && [...beside].length < LEAST_BESIDE;
}

function namesOf({ username, email }: PasswordContext): string[] {
  return [username, email ?? '']
    .flatMap((name) => [name, name.split('@', 1)[0] ?? ''])
    .map((name) => name.toLowerCase());
}
