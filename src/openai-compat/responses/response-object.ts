import type { ChatAnswer, ChatUsage } from '../../proxy/chat-answer';
import { Echo, repeated } from './echo';
import type { ToolNames } from './response-tools';

/** What answers have to know of their request. */
export interface Told {
  readonly echo: Echo;
  readonly names: ToolNames;
}

export type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

export interface Ending {
  readonly status: Status;
  readonly incomplete_details: { readonly reason: string } | null;
}

export const UNDER_WAY: Ending = { status: 'in_progress', incomplete_details: null };
export const FAILED: Ending = { status: 'failed', incomplete_details: null };
const COMPLETED: Ending = { status: 'completed', incomplete_details: null };

const CUT_SHORT: Readonly<Record<string, string>> = {
  length: 'max_output_tokens',
  content_filter: 'content_filter',
};

/** @param finish why vLLM says it ended */
export function endingOf(finish: string | null | undefined): Ending {
  if (finish === 'stop' || finish === 'tool_calls') return COMPLETED;
  const reason = CUT_SHORT[finish ?? ''];
  return { status: 'incomplete', incomplete_details: reason === undefined ? null : { reason } };
}

/** Made of the chat's own, which is the request's. */
export const responseId = (chatId: string): string => `resp_${tail(chatId)}`;

export const itemId = (prefix: string, chatId: string, at: number): string =>
  `${prefix}_${tail(chatId)}_${at}`;

const tail = (chatId: string): string => chatId.replace(/^chatcmpl-/, '');

interface Content {
  readonly id: string;
  readonly output: readonly object[];
  readonly usage: ChatUsage | null;
  readonly ending: Ending;
  readonly error?: { readonly code: string; readonly message: string };
}

export function responseOf(chat: ChatAnswer, { echo }: Told, content: Content): object {
  const { id, output, usage, ending, error } = content;
  return {
    id: responseId(id),
    object: 'response',
    access_programs: null,
    created_at: chat.created ?? Math.floor(Date.now() / 1_000),
    status: ending.status,
    background: false,
    error: error ?? null,
    incomplete_details: ending.incomplete_details,
    model: chat.model,
    output,
    ...repeated(echo),
    previous_response_id: null,
    store: false,
    truncation: 'disabled',
    usage: usage && usageOf(usage),
  };
}

function usageOf(usage: ChatUsage): object {
  const input = usage.prompt_tokens ?? 0;
  const output = usage.completion_tokens ?? 0;
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
      cache_write_tokens: 0,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.completion_tokens_details?.reasoning_tokens ?? 0 },
    total_tokens: input + output,
  };
}
