import type { TokenUsage } from '../../usage/token-usage';

/** Where a usage object stands in a JSON text: [start of its key … end of the object), the comma before it included. */
export interface UsageSpan {
  readonly start: number;
  readonly end: number;
  /** The object itself. */
  readonly json: string;
}

const KEY = '"usage":{';

/**
 * Finds the last usage object. Inside a JSON string every quote is escaped, so the bytes `"usage":{` can only be a
 * key: no text a model writes can imitate it.
 */
export function findUsage(text: string): UsageSpan | null {
  const key = text.lastIndexOf(KEY);
  if (key === -1) return null;
  let depth = 0;
  for (let at = key + KEY.length - 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x7b) depth += 1;
    else if (code === 0x7d && --depth === 0) {
      const start = text.charCodeAt(key - 1) === 0x2c ? key - 1 : key;
      return { start, end: at + 1, json: text.slice(key + KEY.length - 1, at + 1) };
    }
  }
  return null;
}

/** The counts of vLLM's usage object; null when they cannot be true (missing, negative, not whole). */
export function parseUsage(json: string): TokenUsage | null {
  let usage: Record<string, unknown>;
  try {
    usage = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return null;
  }
  const prompt = count(usage.prompt_tokens);
  const completion = count(usage.completion_tokens ?? 0);
  if (prompt === null || completion === null) return null;
  return {
    prompt,
    completion,
    cached: Math.min(prompt, detail(usage.prompt_tokens_details, 'cached_tokens')),
    reasoning: Math.min(completion, detail(usage.completion_tokens_details, 'reasoning_tokens')),
  };
}

/** More than any window holds: a larger number is a fault, not a count. */
const MOST = 1_000_000_000;

function count(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MOST
    ? (value as number)
    : null;
}

function detail(details: unknown, name: string): number {
  if (typeof details !== 'object' || details === null) return 0;
  return count((details as Record<string, unknown>)[name]) ?? 0;
}
