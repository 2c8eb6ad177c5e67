/**
 * What one answer shall do, written as `SIM:{"tokens":20,"dieAfterChunks":3}` anywhere in the last user message or in
 * the prompt. Counts are tokens or chunks of one choice, times are milliseconds. Every field may be left out.
 */
export interface Script {
  /** How many tokens of text to generate before stopping by itself. */
  readonly tokens?: number;
  /** The same for each choice by its index, so that choices end at different times; `tokens` for the rest. */
  readonly tokensByChoice?: readonly number[];
  readonly text?: string;
  /** A text to think, or how many tokens of it, before the answer. */
  readonly reasoning?: string | number;
  /** Tools to call, when the request offers them and no result has come back yet. */
  readonly tool?: ScriptedTool;
  readonly toolCalls?: readonly ScriptedTool[];
  readonly finishReason?: string;
  readonly ttftMs?: number;
  readonly tbtMs?: number;
  readonly tokensPerChunk?: number;

  /** An HTTP error instead of an answer, with Retry-After in seconds and a body of its own if given. */
  readonly status?: number;
  readonly retryAfter?: number | string;
  readonly body?: string;
  readonly redirectTo?: string;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** Closes the connection without an answer. */
  readonly refuse?: boolean;
  /** Holds the connection and never sends a byte. */
  readonly neverAnswer?: boolean;
  /** A 200 stream that ends without a byte. */
  readonly emptyStream?: boolean;
  /** Resets the connection after so many chunks; of a JSON answer, in the middle of its body. */
  readonly dieAfterChunks?: number;
  /** Ends the stream cleanly after so many chunks, with neither finish reason nor [DONE]. */
  readonly endAfterChunks?: number;
  /** Falls silent after so many chunks and keeps the connection. */
  readonly stallAfterChunks?: number;
  /** Sends a comment whenever the stream was silent for so long, as --sse-keep-alive-interval does. */
  readonly commentEveryMs?: number;
  /** An error frame after so many chunks: of a dead engine, or `body` if given. */
  readonly errorFrameAfterChunks?: number;
  /** The stream's first event is an error of this code, as when the queue is full and it was too late for a 503. */
  readonly errorFirst?: number;
  /** The stream says [DONE] but no choice ever got a finish reason. */
  readonly doneWithoutFinish?: boolean;
  /** Keeps the connection of a stream that has said [DONE]. */
  readonly holdAfterDone?: boolean;
  readonly usage?: 'omit' | 'zero' | 'bad';
  /** Writes the stream in pieces that end at any byte. */
  readonly splitBytes?: boolean;
  /** The text of the first chunk is this long. */
  readonly hugeChunkBytes?: number;
  readonly truncatedJson?: boolean;
  readonly nonJson?: boolean;
}

export interface ScriptedTool {
  readonly name: string;
  readonly arguments: unknown;
  /** As some parsers do: nothing of the arguments is shown before all of them are there. */
  readonly heldBack?: boolean;
}

const MARK = 'SIM:{';

/** The script inside a text; undefined when there is none or it is not JSON. */
export function findScript(text: string): Script | undefined {
  const at = text.lastIndexOf(MARK);
  if (at < 0) return undefined;
  const json = balanced(text, at + MARK.length - 1);
  try {
    return JSON.parse(json) as Script;
  } catch {
    return undefined;
  }
}

/** From an opening brace to the one that closes it. */
function balanced(text: string, start: number): string {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth += 1;
    else if (character === '}' && --depth === 0) return text.slice(start, at + 1);
  }
  return '';
}
