/** Bytes a token has on average: only for what vLLM neither counted nor can count. */
export const BYTES_PER_TOKEN = 4;

/**
 * The tokens a prompt is taken for when nobody can count it: its text and tools as JSON, whose marks stand for what a
 * template adds, at four bytes a token. The bound that reserves would be several times as much for a short prompt, and
 * the bytes of an image say nothing of its tokens.
 */
export function guessedPromptTokens(fields: Readonly<Record<string, unknown>>, tokenIds: number): number {
  const { messages, tools, prompt } = fields;
  const said = JSON.stringify(messages ? { messages, tools } : textsOf(prompt), withoutMedia);
  return tokenIds + Math.ceil(Buffer.byteLength(said) / BYTES_PER_TOKEN);
}

/** Images and the like come as data URLs. */
const withoutMedia = (key: string, value: unknown): unknown =>
  key === 'url' && typeof value === 'string' ? undefined : value;

/** Of several prompts those that are no token ids. */
const textsOf = (prompt: unknown): unknown[] =>
  (Array.isArray(prompt) ? prompt : [prompt]).filter((item) => typeof item === 'string');
