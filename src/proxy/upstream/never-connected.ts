import { outOfFiles } from './upstream.exceptions';

const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Of a request that was not dispatched. */
export function neverConnected(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  return NEVER_CONNECTED.has(code) || outOfFiles(error);
}
