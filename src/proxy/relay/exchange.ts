import type { TokenUsage, Outcome, Source } from '../../usage/token-usage';
import type { AnswerDialect } from '../dialect';
import type { PromptPart } from '../request/prompt-guess';
import type { Upstream } from '../upstream/upstream';
import type { StreamExpectations } from './stream-meter';

/** An admitted request, ready for vLLM. */
export interface Exchange {
  readonly requestId: string;
  readonly upstreamPath: string;
  /** Those that serve its model; one of them gets it. */
  readonly servers: readonly Upstream[];
  /** Of its user. */
  readonly cacheSalt: string;
  readonly body: Buffer;
  readonly promptPart: PromptPart;
  /** What the client asked for; the answer's own content type decides how it is relayed and metered. */
  readonly stream: boolean;
  /** vLLM sends nothing of a stream while it thinks, so that nobody knows how much that was until it goes on. */
  readonly hidesThinking: boolean;
  /** A chat of which vLLM shall keep the end: its code for gpt-oss keeps all of it, and only the first event tells. */
  readonly truncatesChat: boolean;
  /** It offers tools: while a call is in the making vLLM may send nothing of it. */
  readonly offersTools: boolean;
  readonly expected: StreamExpectations;
  /** What the client reads; null: what vLLM writes. */
  readonly dialect: AnswerDialect | null;
  /** performance.now() of its arrival. */
  readonly arrivedAt: number;
}

/** An exchange that has been sent on its way. */
export interface Running {
  /** Never rejects: an exchange that failed has a receipt, too. */
  readonly receipt: Promise<Receipt>;
  /** The server that has it, or had it last; null while none does. */
  readonly upstream: Upstream | null;
}

/** How an exchange ended: what the ledger needs, and what is still to be told to the client. */
export interface Receipt {
  readonly outcome: Outcome;
  readonly source: Source;
  readonly status: number;
  readonly usage: TokenUsage;
  /** False: `usage.prompt` is not known from vLLM and must be counted. */
  readonly promptKnown: boolean;
  /** Text whose tokens vLLM did not count. */
  readonly uncountedText?: string;
  readonly timeToFirstTokenMs: number | null;
  /** Sends a complete answer that was held until its settlement; streams have none. */
  readonly deliver?: () => void;
  /** What the client shall read instead of an answer. */
  readonly failure?: Error;
}
