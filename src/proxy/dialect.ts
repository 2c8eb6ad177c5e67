/**
 * Another wire format for chats: its requests are turned into vLLM's chat completions before anything else looks at them,
 * and answers turned back as they leave. In between, everything is a chat: what is checked, reserved, sent and metered.
 * Texts of answers are latin1 of UTF-8, one character a byte.
 */
export interface Dialect {
  /** What the ledger calls the endpoint. */
  readonly endpoint: string;
  /**
   * @param fields the request's body
   * @returns the body of a chat
   * @throws ApiException 400
   */
  toChat(fields: Readonly<Record<string, unknown>>): object;
  /** A whole answer of chat completions. */
  answer(chat: string): string;
  /** A refusal of vLLM, in OpenAI's envelope. */
  refusal(status: number, envelope: string): string;
  /** One stream. */
  events(): EventDialect;
}

export interface EventDialect {
  /** @param frame an event of a chat without its blank line; @returns what the client shall read for it, perhaps nothing */
  event(frame: string): string;
  /** What ends the stream once all of it has been settled. */
  end(): string;
}
