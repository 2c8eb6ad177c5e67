import type { IncomingMessage } from 'node:http';
import { ApiException } from '../common/api.exception';

/** Where a credential came from matters: a session's token is taken from `Authorization` only. */
export interface Credential {
  readonly token: string;
  readonly header: 'authorization' | 'x-api-key';
}

/** What a client sends that has a place for a credential and none in it. */
const EMPTY = /^(bearer)? *$/i;
const BEARER = /^bearer +(\S+) *$/i;

/**
 * The one credential of a request; null when there is none.
 * @throws ApiException 400 when the headers name more than one.
 */
export function readCredential(request: IncomingMessage): Credential | null {
  const { authorization: sent, 'x-api-key': apiKeyHeader } = request.headers;
  if (sent === undefined && apiKeyHeader === undefined) return null;
  refuseRepeated(request.rawHeaders);
  const authorization = sent === undefined || EMPTY.test(sent) ? undefined : sent;
  const bearer = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  const apiKey = typeof apiKeyHeader === 'string' ? apiKeyHeader.trim() : '';
  if (apiKey === '') return bearer === undefined ? null : { token: bearer, header: 'authorization' };
  if (authorization !== undefined && bearer !== apiKey) {
    throw ambiguous('Authorization and x-api-key name different credentials; send one of them.');
  }
  return { token: apiKey, header: bearer === undefined ? 'x-api-key' : 'authorization' };
}

// Node keeps only the first of several Authorization headers, so they have to be counted where they came in.
function refuseRepeated(rawHeaders: readonly string[]): void {
  let authorization = 0;
  let apiKey = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 13 && name.toLowerCase() === 'authorization') authorization += 1;
    else if (name.length === 9 && name.toLowerCase() === 'x-api-key') apiKey += 1;
  }
  if (authorization > 1 || apiKey > 1) {
    throw ambiguous('The request repeats a credential header; send exactly one.');
  }
}

function ambiguous(message: string): ApiException {
  return new ApiException({ status: 400, code: 'ambiguous_credentials', message });
}
