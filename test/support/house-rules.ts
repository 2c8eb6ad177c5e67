import type { Answer } from './send';

const OPENAI = /^\/+(v1|chat)(\/|$)/i;
const ANTHROPIC = /^\/+v1\/messages(\/|$)/i;
const OAUTH = /^\/auth\/(token|refresh)\/?$/i;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What of an answer is not as every answer has to be: [] when all is well. */
export function faultsOf(path: string, method: string, answer: Answer): string[] {
  const { status, headers, text } = answer;
  return [
    status >= 500 && `status ${status}`,
    !UUID_V7.test(headers.get('x-request-id') ?? '') && 'no x-request-id',
    headers.get('x-content-type-options') !== 'nosniff' && 'no nosniff',
    headers.has('x-powered-by') && 'x-powered-by',
    status >= 400 && !hasEnvelope(path, method, answer) && `envelope: ${headers.get('content-type')} ${text}`,
    status === 401 && !headers.get('www-authenticate')?.startsWith('Bearer ') && 'no www-authenticate',
    status === 405 && !headers.get('allow') && 'no allow',
    /node_modules|\n\s+at |SELECT |<html/i.test(status >= 400 ? text : '') && `tells of its inside: ${text}`,
  ].filter((fault) => typeof fault === 'string');
}

function hasEnvelope(path: string, method: string, { status, headers, text, body }: Answer): boolean {
  const type = headers.get('content-type');
  const [form, keys] = OPENAI.test(path)
    ? ['application/json', ['error']]
    : OAUTH.test(path)
      ? ['application/json', ['error', 'error_description']]
      : ['application/problem+json', ['type', 'title', 'status', 'detail', 'code']];
  if (type !== form) return false;
  if (method === 'HEAD') return text === '';
  if (!keys.every((key) => key in body)) return false;
  if (ANTHROPIC.test(path)) return Object.keys(body.error as object).join() === 'type,message';
  if (!OPENAI.test(path)) return body.status === undefined || body.status === status;
  return Object.keys(body.error as object).join() === 'message,type,param,code';
}
