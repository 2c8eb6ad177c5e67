import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerHeaders } from './answer-headers';
import type { ApiError } from './api-error';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, JSON.stringify(body), 'application/json');
}

/** A wrong key is answered before the middleware that adds `vary`, and `error` is a text here. */
export function sendUnauthorized(response: ServerResponse): void {
  const body = JSON.stringify({ error: 'Unauthorized' });
  const { vary: _, ...headers } = answerHeaders('application/json');
  response.writeHead(401, { ...headers, 'content-length': body.length }).end(body);
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  send(response, status, text, contentType);
}

export function sendRedirect(response: ServerResponse, location: string): void {
  response.writeHead(307, { ...answerHeaders(), location, 'content-length': 0 }).end();
}

export function sendEmpty(response: ServerResponse, status: number): void {
  send(response, status, '', undefined);
}

/** `{"error":{…}}`, as vLLM answers everything but a wrong key. */
export function sendError(response: ServerResponse, error: ApiError): void {
  sendJson(response, error.status, error);
}

function send(response: ServerResponse, status: number, text: string, contentType: string | undefined): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(text);
  response.writeHead(status, { ...answerHeaders(contentType), 'content-length': body.length });
  response.end(body);
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
