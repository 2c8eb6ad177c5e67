import { ValidateBy } from 'class-validator';

const MAX_CHARACTERS = 128;
const FORBIDDEN = '" ( ) , : ; < > [ ] \\';

/**
 * Anything an e-mail address may hold unquoted, in any script: no space, no control or invisible character, and
 * none of the characters that need quoting there. U+2800 is a Braille cell without a dot.
 */
const USERNAME = /^[^\s\p{C}\p{Default_Ignorable_Code_Point}\u2800"(),:;<>[\]\\]+$/u;

/** What `isUsername` asks for, told to somebody who is about to choose a name; the characters stay in one line. */
export const USERNAME_RULES =
  `any name, or your e-mail address, of at most ${MAX_CHARACTERS} characters, without spaces or any of ` +
  `${FORBIDDEN.replaceAll(' ', '\u00a0')} in it.`;

/** The form of a username that must be unique: two names that look or type alike are the same account. */
export function usernameKey(username: string): string {
  // A capital sigma is made lower by where it stands; both forms are one letter.
  return username.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
}

export function isUsername(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > 2 * MAX_CHARACTERS) return false;
  // Normalisation can lengthen a name and can put spaces into it, so its result has to obey as well.
  return [value, usernameKey(value)].every(
    (text) => USERNAME.test(text) && [...text].length <= MAX_CHARACTERS,
  );
}

export const IsUsername = (): PropertyDecorator =>
  ValidateBy({
    name: 'isUsername',
    validator: {
      validate: isUsername,
      defaultMessage: () =>
        `$property must be a text of 1 to ${MAX_CHARACTERS} characters without spaces, control characters or any of ${FORBIDDEN}`,
    },
  });
