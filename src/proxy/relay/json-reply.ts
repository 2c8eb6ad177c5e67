import type { ServerResponse } from 'node:http';
import { upstreamFailed } from '../upstream/upstream.exceptions';
import { NO_TOKENS } from '../../usage/token-usage';
import type { Exchange, Receipt } from './exchange';
import { ModelName } from './model-name';
import { compactJson } from './plain-event';
import { errorStatus, failed, readRefusal, Reply, sendJson } from './refusal';
import { findUsage, parseUsage } from './usage-text';

/** A whole answer of vLLM that is not a stream: what the ledger and the client make of it. */
export function readJsonReply(exchange: Exchange, response: ServerResponse, reply: Reply): Receipt {
  const { status, body } = reply;
  if (status !== 200) return readRefusal(exchange, response, reply);
  const text = compactJson(body.toString('latin1'));
  if (!reply.headers.contentType.startsWith('application/json') || !text.trimEnd().endsWith('}')) {
    return failed(upstreamFailed('the answer is not JSON'), 502);
  }
  const span = findUsage(text);
  const usage = span ? parseUsage(span.json) : null;
  // What is in front of vLLM may say so of a request that failed.
  const errorCode = usage ? null : errorStatus(body);
  if (errorCode !== null) return readRefusal(exchange, response, { ...reply, status: errorCode });
  const { servedModel, publicModel } = exchange.expected;
  const visible = shownTo(exchange, new ModelName(servedModel, publicModel).rewrite(text));
  if (visible === null) return failed(upstreamFailed('the answer is not JSON'), 502);
  return {
    outcome: 'completed',
    source: usage ? 'exact' : 'estimated',
    status: 200,
    usage: usage ?? NO_TOKENS,
    promptKnown: usage !== null,
    ...(usage ? {} : { uncountedText: generatedText(body) }),
    timeToFirstTokenMs: null,
    deliver: () => sendJson(response, 200, visible),
  };
}

/** @returns null for what cannot be read as the answer it says it is */
function shownTo({ dialect }: Exchange, text: string): string | null {
  if (dialect === null) return text;
  try {
    return dialect.answer(text);
  } catch {
    return null;
  }
}

interface Choice {
  readonly text?: unknown;
  readonly message?: {
    readonly content?: unknown;
    readonly reasoning?: unknown;
    readonly tool_calls?: readonly { readonly function?: { name?: unknown; arguments?: unknown } }[];
  };
}

/** The text of all choices: what is counted when vLLM did not. */
function generatedText(body: Buffer): string {
  try {
    const { choices } = JSON.parse(body.toString('utf8')) as { choices?: Choice[] };
    return (choices ?? []).map(textOf).join('\n');
  } catch {
    return '';
  }
}

function textOf({ text, message }: Choice): string {
  const calls = (message?.tool_calls ?? []).flatMap((call) => [
    call.function?.name,
    call.function?.arguments,
  ]);
  return [text, message?.reasoning, message?.content, ...calls]
    .filter((part) => typeof part === 'string')
    .join('');
}
