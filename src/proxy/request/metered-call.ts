import type { AnswerDialect } from '../dialect';
import type { EndpointName } from '../endpoints';
import type { StreamExpectations } from '../relay/stream-meter';
import type { CatalogueModel } from '../upstream/model-catalogue';
import type { Upstream } from '../upstream/upstream';
import type { OutputBudget, OutputQuestion, PromptSize } from './output-budget';
import type { PromptPart } from './prompt-guess';

/** A request that may go to vLLM once it is admitted: what it asks for, and how its bytes become vLLM's. */
export interface MeteredCall {
  readonly endpoint: EndpointName;
  /** The ledger's name for the endpoint that was asked. */
  readonly recordedAs: string;
  readonly upstreamPath: string;
  readonly model: CatalogueModel;
  /** Of its user. */
  readonly cacheSalt: string;
  readonly stream: boolean;
  readonly expected: StreamExpectations;
  readonly hasTools: boolean;
  readonly hidesThinking: boolean;
  readonly truncatesChat: boolean;
  /** Of what the client sent, where that was nothing of OpenAI's. */
  readonly dialect: AnswerDialect | null;

  /** The cheap upper bound of the prompt. */
  readonly promptBound: PromptSize;
  /** What of that no byte of the request stands for, as far as it is known of the model: in tokens. */
  readonly templateTokens: number;
  /** The most tokens vLLM keeps of what `promptSizes` gives the size of. */
  readonly keptOfPrompt: number;
  readonly promptPart: PromptPart;
  readonly guessedPromptTokens: number;
  /** What vLLM may render of each prompt beside what it counted. */
  readonly untoldTokens: number;
  /** What a few models are shown of it as well. */
  readonly constraintTokens: number;

  /** What vLLM counted before the request was admitted, with what is reserved beside that; null: it did not decide. */
  countedPrompt: number | null;
  /** The server whose count that is. */
  countedBy: Upstream | null;
  /** vLLM counted its prompt before it was admitted. */
  isCounted: boolean;

  outputQuestion(prompt: PromptSize): OutputQuestion;
  /** The bytes for vLLM: the client's own, but for the fields that the gateway answers for. */
  encode(budget: OutputBudget): Buffer;
  /** Bodies for vLLM's /tokenize; null: more of them than is worth asking. */
  tokenizeBodies(): Buffer[] | null;
  /** @param counts what vLLM counted of each of those bodies; @returns the sizes of the prompts, or of all of them as one */
  promptSizes(counts: readonly number[]): number[];
  /** The same by what vLLM reads at least, for what is billed by an estimate. */
  leastSizes(counts: readonly number[]): number[];
  /** Lets go of the parsed body, which is some times as large as its bytes: an answer may take an hour. */
  keepOnly(sent: Buffer): void;
}
