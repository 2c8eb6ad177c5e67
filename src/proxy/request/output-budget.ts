/** What decides how many tokens a request may produce. Token counts throughout. */
export interface OutputQuestion {
  /** What the client asked for a choice; null: nothing. */
  readonly requested: number | null;
  /** How many tokens a choice must have before it may end; vLLM refuses fewer max_tokens than that. */
  readonly minTokens: number;
  readonly choices: number;
  readonly prompts: number;
  /** max_model_len; null when vLLM does not say. */
  readonly window: number | null;
  readonly prompt: PromptSize;
  /** What vLLM does with an absent max_tokens: fill the window (chat), or 16 (completions). 'nothing': it generates none. */
  readonly absentMeans: 'rest_of_window' | 16 | 'nothing';
  /** DEFAULT_MAX_TOKENS; 0: no cap. */
  readonly defaultMax: number;
}

export interface PromptSize {
  /** An upper bound of the prompt's tokens, or the count itself when `exact`. */
  readonly tokens: number;
  /** The same of the largest prompt alone: each has a window to itself. */
  readonly largest: number;
  readonly exact: boolean;
  /** False for images and the like: `tokens` says nothing, only the window bounds them. */
  readonly bounded: boolean;
  /** What vLLM counted of the largest, where that is not believed to be all of it; absent: it did not count. */
  readonly counted?: number;
}

export interface OutputBudget {
  /** max_tokens to send; null: leave it to vLLM. */
  readonly maxTokens: number | null;
  /** The most one choice can produce. */
  readonly perChoice: number;
  /** The most the whole request can use, prompts included. */
  readonly total: number;
  /** The cheap bound does not decide: ask vLLM for the exact prompt count and put the question again. */
  readonly needsExactPrompt: boolean;
}

/** Fewer tokens than this are not worth an answer: the request is refused instead of clamped (or its own wish, if smaller). */
const LEAST_USEFUL_OUTPUT = 16;

/** What a choice must have left to be worth sending: no less than its own least, and no more than its own most. */
export function leastOutput({ perChoice }: OutputBudget, { minTokens }: OutputQuestion): number {
  return Math.min(perChoice, Math.max(LEAST_USEFUL_OUTPUT, minTokens));
}

/** Also of max_tokens 0, which goes with `echo`: vLLM generates a token and leaves it out. */
const LEAST_GENERATED = 1;

/** vLLM refuses prompt + max_tokens > max_model_len, so what does not fit is lowered here; nothing is ever raised. */
export function outputBudget(question: OutputQuestion): OutputBudget {
  const { requested, window, prompt } = question;
  if (question.absentMeans === 'nothing')
    return { maxTokens: null, perChoice: 0, total: prompt.tokens, needsExactPrompt: false };
  if (window === null) return withoutWindow(question);
  const rest = window - prompt.largest;
  const wanted = requested ?? wantedWhenAbsent(question, window);
  if (wanted === null) return settle(question, window, null, window - 1);
  if (prompt.bounded && wanted <= rest) {
    const implicit = requested === null && question.absentMeans === wanted;
    return settle(question, window, implicit ? null : wanted, wanted);
  }
  if (prompt.bounded && !prompt.exact)
    return { ...settle(question, window, wanted, wanted), needsExactPrompt: true };
  // vLLM's own refusal ("maximum context length …") is what agents know how to handle: let it speak.
  if (prompt.bounded && rest < 1) return settle(question, window, requested, wanted);
  if (prompt.bounded) return settle(question, window, rest, rest);
  // What is known of it then is what it has at least.
  const left = prompt.counted === undefined ? Infinity : window - prompt.counted;
  if (left < 1) return settle(question, window, requested, Math.min(wanted, window - 1));
  // Unbounded (images): a wish for the whole window is what vLLM does by itself when none is sent.
  const fillsWindow = wanted >= window - 1 && question.absentMeans === 'rest_of_window';
  const most = Math.min(wanted, left);
  return settle(question, window, fillsWindow ? null : most, Math.min(most, window - 1));
}

/** The budget again, with only `tokens` left for the whole request; null when too little is left to be useful. */
export function clampedTo(
  budget: OutputBudget,
  tokens: number,
  question: OutputQuestion,
): OutputBudget | null {
  const sequences = question.choices * question.prompts;
  const perChoice = Math.floor((tokens - promptShare(question)) / sequences);
  if (perChoice >= budget.perChoice) return budget;
  if (perChoice < leastOutput(budget, question)) return null;
  return { maxTokens: perChoice, perChoice, total: tokens, needsExactPrompt: false };
}

/** The least that makes the request worth sending. */
export function minimumFor(budget: OutputBudget, question: OutputQuestion): number {
  const output = question.choices * question.prompts * leastOutput(budget, question);
  return Math.min(budget.total, promptShare(question) + output);
}

/** What the prompt is taken for: its bound, and never more than the windows it must fit in. */
function promptShare({ prompt, window, prompts }: OutputQuestion): number {
  if (window === null) return prompt.tokens;
  return prompt.bounded ? Math.min(prompt.tokens, window * prompts) : window * prompts;
}

function wantedWhenAbsent(question: OutputQuestion, window: number): number | null {
  if (question.absentMeans === 16) return 16;
  // vLLM fills the window by itself, which is right unless the default cap is lower than what could be left.
  return question.defaultMax === 0 || window <= question.defaultMax ? null : question.defaultMax;
}

function withoutWindow(question: OutputQuestion): OutputBudget {
  const fallback = question.absentMeans === 16 ? 16 : question.defaultMax || 16_384;
  const wanted = question.requested ?? fallback;
  const perChoice = Math.max(LEAST_GENERATED, wanted);
  const maxTokens = question.requested === null && question.absentMeans === 16 ? null : wanted;
  const total = question.prompt.tokens + question.choices * question.prompts * perChoice;
  return { maxTokens, perChoice, total, needsExactPrompt: false };
}

function settle(
  question: OutputQuestion,
  window: number,
  maxTokens: number | null,
  wanted: number,
): OutputBudget {
  const { choices, prompts } = question;
  const perChoice = Math.max(LEAST_GENERATED, wanted);
  const share = promptShare(question);
  // Each sequence's prompt and output fit one window, whatever the bounds say.
  const total = Math.min(
    share + choices * prompts * perChoice,
    prompts * (window + (choices - 1) * perChoice),
  );
  return { maxTokens, perChoice, total, needsExactPrompt: false };
}
