import type { ServerResponse } from 'node:http';
import { NO_TOKENS } from '../../usage/token-usage';
import type { UpstreamHeaders } from '../upstream/upstream.client';
import {
  endpointMissing,
  modelGone,
  modelMoved,
  upstreamBusy,
  upstreamFailed,
  upstreamRefusedUs,
} from '../upstream/upstream.exceptions';
import type { Exchange, Receipt } from './exchange';
import { toLatin1, underPublicName } from './model-name';

/** An answer of vLLM with its whole body. */
export interface Reply {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly body: Buffer;
}

/** vLLM refused: its words reach the client when they are about the request, and never when they are about itself. */
export function readRefusal(exchange: Exchange, response: ServerResponse, reply: Reply): Receipt {
  const { status, headers, body } = reply;
  if (status === 401 || status === 403) return failed(upstreamRefusedUs(), 502);
  if (status === 429 || status === 503)
    return failed(upstreamBusy(status, headers.retryAfter), status, 'rejected');
  if (status < 400 || status >= 500) return failed(upstreamFailed(`status ${status}`), 502);
  const error = readError(body);
  if (!error) {
    return status === 404 || status === 405
      ? failed(endpointMissing(), 404, 'rejected')
      : failed(upstreamFailed(`status ${status} without an error`), 502);
  }
  if (status === 404 && error.param === 'model') return gone(exchange);
  const { servedModel, publicModel } = exchange.expected;
  const visible = underPublicName(body.toString('utf8'), servedModel, publicModel);
  return {
    outcome: 'rejected',
    source: 'exact',
    status,
    usage: NO_TOKENS,
    promptKnown: true,
    timeToFirstTokenMs: null,
    deliver: () =>
      sendJson(response, status, exchange.dialect?.refusal(status, toLatin1(visible)) ?? toLatin1(visible)),
  };
}

/** Of several servers another one may have it still. */
function gone({ servers }: Exchange): Receipt {
  if (servers.length === 1) return failed(modelGone(), 404, 'rejected');
  return failed(modelMoved(), 503, 'rejected');
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

/** Sends a JSON text given as latin1, one character a byte: so head and body leave in one write. */
export function sendJson(response: ServerResponse, status: number, latin1: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': latin1.length });
  response.end(latin1, 'latin1');
}

/** What a body that holds an error and no answer says of its status; null when it holds none. */
export function errorStatus(body: Buffer): number | null {
  try {
    const { error, choices } = JSON.parse(body.toString('utf8')) as { error?: unknown; choices?: unknown };
    if (typeof error !== 'object' || error === null || choices !== undefined) return null;
    const { code } = error as { code?: unknown };
    return Number.isInteger(code) ? (code as number) : 500;
  } catch {
    return null;
  }
}

function readError(body: Buffer): { message: string; param?: unknown } | null {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: { message?: unknown; param?: unknown } };
    return typeof error?.message === 'string' ? { message: error.message, param: error.param } : null;
  } catch {
    return null;
  }
}
