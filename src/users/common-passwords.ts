import { COMMON_WORDS } from './common-words';

const MIN_REPEATS = 2;
const MAX_REPEATED_UNIT = 4;

/** The digits people put behind a word to make it a password. */
const DIGITS_BEHIND = /(?:12345\d{0,5}|\d{1,4})$/;

/** The same with the marks that rules of composition make them put around the digits. */
const MARKED_DIGITS_BEHIND = /[^\p{L}\d]*(?:12345\d{0,5}|\d{0,4})[^\p{L}\d]*$/u;

/** What is left of less than this without digits and marks is no word: then most of the password is something else. */
const SHORTEST_WORD = 4;

const DIGITS_OF_MARKS = new Map([...'!@#$%^&*()'].map((mark, i) => [mark, '1234567890'.charAt(i)]));

/** Rows of a keyboard and counting: any stretch of one, forwards or backwards, is guessed at once. */
const WALKS = [
  '0123456789012345678901234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop[]asdfghjkl;zxcvbnm,./',
  'qwertyuiopasdfghjklzxcvbnm',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  'qazwsxedcrfvtgbyhnujmikolp',
  '1q2w3e4r5t6y7u8i9o0p',
  'q1w2e3r4t5y6u7i8o9p0',
  'a1b2c3d4e5f6g7h8i9j0',
  '1a2b3c4d5e6f7g8h9i0j',
  'zaq12wsxcde34rfvbgt56yhn',
  '1234567890qwertyuiop',
  '1234qwerasdfzxcv',
  '123qweasdzxc',
  'qweasdzxc123',
  'abcdefghij1234567890',
  'abcd1234567890',
  'abc1234567890',
  'qwertyuiop1234567890',
  'qwertzuiopü+asdfghjklöä#yxcvbnm,.-',
  'qwertzuiopasdfghjklyxcvbnm',
  '1234567890qwertzuiop',
  '1qay2wsx3edc4rfv5tgb6zhn7ujm8ik,9ol.0p',
  'azertyuiop^$qsdfghjklmùwxcvbn,;:!',
  'azertyuiopqsdfghjklmwxcvbn',
  '1234567890azertyuiop',
  'qwerty1234567890',
  'qwer1234567890',
  '!@#$%^&*()_+',
  '147258369014725836900',
  '741852963074185296300',
].flatMap((walk) => [walk, [...walk].toReversed().join('')]);

const LOOKALIKES: Readonly<Record<string, string>> = {
  '@': 'a',
  '0': 'o',
  '3': 'e',
  $: 's',
  '5': 's',
  '1': 'i',
};

/**
 * True for what password guessers try first: common words (also two of them joined, with look-alike characters, or with
 * the usual digits and marks behind them), keyboard rows, counting and repetitions.
 */
export function isCommonPassword(password: string): boolean {
  const folded = password.toLowerCase();
  const bare = folded.replace(MARKED_DIGITS_BEHIND, '');
  const word = bare.length < SHORTEST_WORD ? folded : bare;
  return (
    isRepetition(folded) ||
    [folded, withoutShift(folded), word].some(isWalk) ||
    [folded, folded.replace(DIGITS_BEHIND, ''), word].some(
      (text) => isCommonWord(text) || isCommonWord(withoutLookalikes(text)),
    )
  );
}

function isWalk(text: string): boolean {
  return WALKS.some((walk) => walk.includes(text));
}

/** One word of the list, or two joined. */
function isCommonWord(text: string): boolean {
  if (COMMON_WORDS.has(text)) return true;
  for (let length = 1; length < text.length; length += 1) {
    if (COMMON_WORDS.has(text.slice(0, length)) && COMMON_WORDS.has(text.slice(length))) return true;
  }
  return false;
}

/** A walk with the shift key held here and there is the same walk. */
function withoutShift(text: string): string {
  return text.replace(/[!@#$%^&*()]/g, (mark) => DIGITS_OF_MARKS.get(mark) ?? mark);
}

function withoutLookalikes(text: string): string {
  return text.replace(/[@03$51]/g, (character) => LOOKALIKES[character] ?? character);
}

function isRepetition(text: string): boolean {
  for (let size = 1; size <= MAX_REPEATED_UNIT && size * MIN_REPEATS <= text.length; size += 1) {
    const unit = text.slice(0, size);
    if (unit.repeat(Math.ceil(text.length / size)).slice(0, text.length) === text) return true;
  }
  return false;
}
