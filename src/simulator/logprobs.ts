import { tokenId } from './tokenizer';

/** A number that looks like the logarithm of a probability, the same for the same token. */
const logprobOf = (token: string) => -((tokenId(token) % 500) + 1) / 100;

function alternatives(token: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => (at === 0 ? token : ` alt${at}`));
}

const entry = (token: string) => ({
  token,
  logprob: logprobOf(token),
  bytes: [...Buffer.from(token)],
});

export function chatLogprobs(tokens: readonly string[], top: number): object {
  return {
    content: tokens.map((token) => ({ ...entry(token), top_logprobs: alternatives(token, top).map(entry) })),
  };
}

/** `offset` in characters of the text before the first token. */
export function completionLogprobs(tokens: readonly string[], top: number, offset: number): object {
  let at = offset;
  return {
    text_offset: tokens.map((token) => {
      const start = at;
      at += token.length;
      return start;
    }),
    token_logprobs: tokens.map(logprobOf),
    tokens: [...tokens],
    top_logprobs: tokens.map((token) =>
      Object.fromEntries(alternatives(token, Math.max(1, top)).map((one) => [one, logprobOf(one)])),
    ),
  };
}
