import type { Exchange } from './exchange';
import type { StreamRelay } from './stream-relay';

type Told = Pick<StreamRelay, 'progress'>;

/**
 * Whether something was done for a client that leaves which vLLM has not told: nobody knows what a half-made answer cost, or
 * hidden thinking and calls of tools before vLLM goes on, or how much of a prompt it kept.
 * @param stream null: no event has come
 * @param isSilent it has sent nothing for a while
 */
export function isUncounted(exchange: Exchange, stream: Told | null, isSilent: boolean): boolean {
  if (!exchange.stream) return stream === null;
  if (exchange.hidesThinking) return true;
  const isPromptKnown = stream?.progress().promptKnown ?? false;
  return isPromptKnown ? exchange.offersTools && isSilent : exchange.truncatesChat;
}

/** What was known of an exchange when its client left, to tell when vLLM has told more. */
export class KnownAtLeaving {
  private readonly completion: number;
  private readonly isPromptAwaited: boolean;

  constructor(
    private readonly exchange: Exchange,
    stream: Told | null,
  ) {
    const known = stream?.progress();
    this.completion = known?.completion ?? 0;
    this.isPromptAwaited = !exchange.hidesThinking && !known?.promptKnown;
  }

  /** Of several choices each may think or call on its own: only the end tells of them all. */
  isToldMoreBy(stream: Told): boolean {
    const { completion, promptKnown } = stream.progress();
    if (this.isPromptAwaited) return promptKnown;
    const { choices, prompts } = this.exchange.expected;
    return choices * prompts === 1 && completion > this.completion;
  }
}
