import type { ServerResponse } from 'node:http';
import type { UpstreamHeaders } from '../upstream/upstream.client';
import {
  endpointMissing,
  upstreamBusy,
  upstreamFailed,
  upstreamRefusedUs,
} from '../upstream/upstream.exceptions';
import { NO_TOKENS } from '../../usage/token-usage';
import type { Exchange, Receipt } from './exchange';
import { ModelName } from './model-name';
import { findUsage, parseUsage } from './usage-text';

/** A whole answer of vLLM that is not a stream: what the ledger and the client make of it. */
export function readJsonReply(
  exchange: Exchange,
  response: ServerResponse,
  reply: { status: number; headers: UpstreamHeaders; body: Buffer },
): Receipt {
  const { status, body } = reply;
  if (status !== 200) return readRefusal(response, reply);
  const text = body.toString('latin1');
  if (!reply.headers.contentType.startsWith('application/json') || !text.trimEnd().endsWith('}')) {
    return failed(upstreamFailed('the answer is not JSON'), 502);
  }
  const span = findUsage(text);
  const usage = span ? parseUsage(span.json) : null;
  const { servedModel, publicModel } = exchange.expected;
  const visible = new ModelName(servedModel, publicModel).rewrite(text);
  return {
    outcome: 'completed',
    source: usage ? 'exact' : 'estimated',
    status: 200,
    usage: usage ?? NO_TOKENS,
    promptKnown: usage !== null,
    ...(usage ? {} : { uncountedText: generatedText(body) }),
    timeToFirstTokenMs: null,
    deliver: () => send(response, 200, Buffer.from(visible, 'latin1')),
  };
}

/** vLLM refused: its words reach the client when they are about the request, and never when they are about itself. */
function readRefusal(
  response: ServerResponse,
  { status, headers, body }: Parameters<typeof readJsonReply>[2],
): Receipt {
  if (status === 401 || status === 403) return failed(upstreamRefusedUs(), 502);
  if (status === 429 || status === 503)
    return failed(upstreamBusy(status, headers.retryAfter), status, 'rejected');
  if (status < 400 || status >= 500) return failed(upstreamFailed(`status ${status}`), 502);
  const text = body.toString('utf8');
  if (!isErrorEnvelope(text)) {
    return status === 404 || status === 405
      ? failed(endpointMissing(), 404, 'rejected')
      : failed(upstreamFailed(`status ${status} without an error`), 502);
  }
  return {
    outcome: 'rejected',
    source: 'exact',
    status,
    usage: NO_TOKENS,
    promptKnown: true,
    timeToFirstTokenMs: null,
    deliver: () => send(response, status, body),
  };
}

export function failed(
  failure: Error,
  status: number,
  outcome: 'rejected' | 'upstream_error' = 'upstream_error',
): Receipt {
  return {
    outcome,
    source: 'exact',
    status,
    usage: NO_TOKENS,
    promptKnown: true,
    timeToFirstTokenMs: null,
    failure,
  };
}

function send(response: ServerResponse, status: number, body: Buffer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

function isErrorEnvelope(text: string): boolean {
  try {
    const body = JSON.parse(text) as { error?: { message?: unknown } } | null;
    return typeof body?.error === 'object' && typeof body.error?.message === 'string';
  } catch {
    return false;
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
