/**
 * A deterministic stand-in for a model's tokenizer: words with their leading space, digits by threes, signs and white
 * space, no token longer than 8 characters. Every token has at least one byte, as with real byte-level BPE.
 */
const PIECES = / ?\p{L}{1,8}|\p{L}{1,8}| ?\p{N}{1,3}|\s{1,8}| ?[^\s\p{L}\p{N}]{1,4}/gu;

/** How many tokens there are: every id is below it. */
export const VOCABULARY = 150_000;

export function tokenize(text: string): string[] {
  return text.match(PIECES) ?? [];
}

/** A stable id for a token. */
export function tokenId(token: string): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < token.length; at += 1) hash = Math.imul(hash ^ token.charCodeAt(at), 16_777_619);
  return (hash >>> 0) % VOCABULARY;
}
