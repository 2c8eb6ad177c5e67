import { tokenId } from './tokenizer';

/** As a small embedding model has; with Matryoshka, shorter ones too. */
export const DIMENSIONS = 64;

/** A direction for each token, added up and brought to length 1: texts that share words are near to each other. */
export function vectorOf(tokens: readonly string[], dimensions = DIMENSIONS): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const token of tokens) {
    let state = tokenId(token.trim().toLowerCase()) + 1;
    for (let at = 0; at < dimensions; at += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      vector[at] = (vector[at] as number) + (state / 0xffff_ffff - 0.5);
    }
  }
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((part) => part / length);
}

/** Cosine of two vectors of length 1. */
export const likeness = (one: Float32Array, other: Float32Array): number =>
  one.reduce((sum, part, at) => sum + part * (other[at] as number), 0);
