import { outOfFiles } from './upstream.exceptions';

const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Whether no connection was made, as far as the error of any request tells. */
export function neverConnected(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  return NEVER_CONNECTED.has(code) || outOfFiles(error);
}

/** The same of one that was certainly not dispatched: whatever kept its connection from being made, a certificate as well. */
export function notConnected(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  // What remains is undici's own end.
  return neverConnected(error) || !code.startsWith('UND_ERR_');
}
