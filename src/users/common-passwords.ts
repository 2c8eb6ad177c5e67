import { COMMON_WORDS } from './common-words';

const MIN_REPEATS = 2;
const MAX_REPEATED_UNIT = 4;

/** The digits people put behind a word to make it a password. */
const DIGITS_BEHIND = /(?:12345\d{0,5}|\d{1,4})$/;

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
 * True for what password guessers try first: common words (also doubled, with look-alike characters, or with the
 * usual digits behind them), keyboard rows, counting and repetitions.
 */
export function isCommonPassword(password: string): boolean {
  const folded = password.toLowerCase();
  const withoutDigits = folded.replace(DIGITS_BEHIND, '');
  return (
    isRepetition(folded) ||
    WALKS.some((walk) => walk.includes(folded)) ||
    [folded, withoutDigits].some((text) => isCommonWord(text) || isCommonWord(withoutLookalikes(text)))
  );
}

function isCommonWord(text: string): boolean {
  const half = text.slice(0, text.length / 2);
  return COMMON_WORDS.has(text) || (text === half + half && COMMON_WORDS.has(half));
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
