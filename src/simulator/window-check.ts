import { ApiError } from './api-error';

/** The longest token: vLLM refuses a text that cannot fit before it counts its tokens. */
const CHARACTERS_PER_TOKEN = 13;

interface Window {
  readonly promptTokens: number;
  /** 0 for a prompt of token ids. */
  readonly promptCharacters: number;
  readonly asked: Readonly<Record<'max_tokens' | 'max_completion_tokens', number | undefined>>;
  /** Tokens when nothing was asked; null = all that is left. */
  readonly fallback: number | null;
  readonly window: number;
  readonly overflow: 'clamp' | 'refuse';
  /** `echo` with max_tokens 0 is allowed, and generates one token. */
  readonly echoOnly: boolean;
}

/** Returns how many tokens may be generated. */
export function checkWindow(given: Window): number {
  const { promptTokens, window, asked } = given;
  const maximum = maximumOf(window);
  const field = asked.max_completion_tokens === undefined ? 'max_tokens' : 'max_completion_tokens';
  const wanted = asked[field] ?? given.fallback;
  if (wanted === 0 && given.echoOnly) return 1;
  if (wanted !== null && wanted < 1)
    throw ApiError.badRequest('max_tokens', `max_tokens must be at least 1, got ${wanted}.`, wanted);
  if (wanted !== null && wanted > window)
    throw ApiError.badRequest(
      field,
      `${field}=${wanted} cannot be greater than max_model_len=${window}. Please request fewer output tokens.`,
      wanted,
    );
  checkPrompt(given);
  if (promptTokens === window)
    throw ApiError.badRequest('max_tokens', 'max_tokens must be at least 1, got 0.', 0);
  const left = window - promptTokens;
  if (wanted === null || wanted <= left) return wanted ?? left;
  if (given.overflow === 'clamp') return left;
  throw ApiError.badRequest(
    'input_tokens',
    `${maximum}you requested ${wanted} output tokens and your prompt contains ${promptTokens} input tokens, for a total of ${promptTokens + wanted} tokens. Please reduce the length of the input prompt or the number of requested output tokens.`,
    promptTokens,
  );
}

/** @throws ApiError for a prompt that is longer than the window by itself */
export function checkPrompt({
  promptTokens,
  promptCharacters,
  window,
}: Pick<Window, 'promptTokens' | 'promptCharacters' | 'window'>): void {
  const mostCharacters = window * CHARACTERS_PER_TOKEN;
  const maximum = maximumOf(window);
  if (promptCharacters > mostCharacters)
    throw ApiError.badRequest(
      'input_text',
      `${maximum}your prompt contains ${promptCharacters} characters (more than ${mostCharacters} characters, which is the upper bound for ${window} input tokens). Please reduce the length of the input prompt.`,
      promptCharacters,
    );
  // Of a text vLLM makes no more tokens than are needed to know.
  const [tokens, counted] =
    promptCharacters > 0 ? [window + 1, `at least ${window + 1}`] : [promptTokens, promptTokens];
  if (promptTokens > window)
    throw ApiError.badRequest(
      'input_tokens',
      `${maximum}your prompt contains ${counted} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`,
      tokens,
    );
}

const maximumOf = (window: number): string =>
  `This model's maximum context length is ${window} tokens. However, `;
