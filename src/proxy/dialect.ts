/**
 * Another wire format for chats: its requests are turned into vLLM's chat completions before anything else looks at them,
 * and answers turned back as they leave. In between, everything is a chat: what is checked, reserved, sent and metered.
 * Texts of answers are latin1 of UTF-8, one character a byte.
 */
export interface Dialect {
  /**
   * @param fields the request's body
   * @throws ApiException 400
   */
  read(fields: Readonly<Record<string, unknown>>): Asked;
}

/** A request as the chat it is. */
export interface Asked {
  /** The body of a chat. */
  readonly chat: object;
  /** Kept for as long as the answer goes on: it shall hold little of what was asked. */
  readonly answers: AnswerDialect;
}

/** How the answers to one request are written. */
export interface AnswerDialect {
  /** What the ledger calls the endpoint. */
  readonly endpoint: string;
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
