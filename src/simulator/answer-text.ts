import { tokenize } from './tokenizer';

const PLAIN =
  'This answer is simulated: no model was asked. Set VLLM_BASE_URL to the address of a vLLM server to get real answers.';

const WORDS =
  'the gate of a river opens when light falls on stone and water carries the seed past a quiet mill to the sea'.split(
    ' ',
  );

/** The tokens of an answer: the same for the same seed. `length` in tokens; without it the text ends where it ends. */
export function answerText(options: {
  readonly seed: number;
  readonly text?: string;
  readonly length?: number;
}): string[] {
  const tokens = tokenize(options.text ?? PLAIN);
  const { length } = options;
  if (length === undefined) return tokens;
  let state = (options.seed * 2_654_435_761 + 97) >>> 0;
  while (tokens.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    tokens.push(` ${WORDS[(state >>> 8) % WORDS.length]}`);
  }
  return tokens.slice(0, length);
}
