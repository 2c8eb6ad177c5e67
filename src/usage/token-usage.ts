/** Tokens of one generation. `cached` is part of `prompt`, `reasoning` is part of `completion`: never added again. */
export interface TokenUsage {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly reasoning: number;
}

export const NO_TOKENS: TokenUsage = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };

export type Outcome = 'completed' | 'client_closed' | 'upstream_error' | 'rejected';

/** exact: vLLM said so; estimated: it never did, and this is the best that is known. */
export type Source = 'exact' | 'estimated';

/** What the ledger writes of one generation, once. */
export interface Settlement {
  readonly requestId: string;
  readonly userId: string;
  readonly apiKeyId: string | null;
  readonly endpoint: string;
  /** Public name. */
  readonly model: string;
  readonly stream: boolean;
  readonly outcome: Outcome;
  readonly source: Source;
  /** HTTP status of the answer to the client. */
  readonly status: number;
  readonly usage: TokenUsage;
  readonly timeToFirstTokenMs: number | null;
  readonly durationMs: number;
}
