import type { TokenUsage } from '../../usage/token-usage';

/**
 * Where a usage object stands in a JSON text: [start of its key … end of the object), with the comma before it, or else
 * the one behind it.
 */
export interface UsageSpan {
  readonly start: number;
  readonly end: number;
  /** The object itself. */
  readonly json: string;
}

export const USAGE_KEY = '"usage":{';
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Finds the last usage object. Searching from the end costs four times as much as looking near to where it is.
 * @param likely where it should stand, or a little before
 *
 * Inside a JSON string every quote is escaped, so the bytes `"usage":{` can only be a
 * key: no text a model writes can imitate it.
 */
export function findUsage(text: string, likely = text.length): UsageSpan | null {
  const near = text.indexOf(USAGE_KEY, likely);
  const key = near === -1 ? text.lastIndexOf(USAGE_KEY) : near;
  if (key === -1) return null;
  const open = key + USAGE_KEY.length - 1;
  const end = objectEnd(text, open);
  if (end === -1) return null;
  const json = text.slice(open, end);
  if (text.charCodeAt(key - 1) === COMMA) return { start: key - 1, end, json };
  return { start: key, end: text.charCodeAt(end) === COMMA ? end + 1 : end, json };
}

/** Behind the brace that closes the one at `open`; -1 when there is none. Holds no strings, so braces are braces. */
function objectEnd(text: string, open: number): number {
  const close = text.indexOf('}', open);
  const inner = text.indexOf('{', open + 1);
  // Most hold no other object, and are found without looking at each character.
  if (close === -1 || inner === -1 || inner > close) return close === -1 ? -1 : close + 1;
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === OPEN_BRACE) depth += 1;
    else if (code === CLOSE_BRACE && --depth === 0) return at + 1;
  }
  return -1;
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
