import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error';
import type { Engine } from './engine';
import {
  readBody,
  sendEmpty,
  sendError,
  sendJson,
  sendRedirect,
  sendText,
  sendUnauthorized,
} from './http-answers';
import type { Journal, JournalEntry } from './journal';
import { prometheus } from './prometheus';
import { parseBody } from './request-body';
import type { SimulatedModels } from './simulated-models';
import type { SimulatorSettings } from './simulator-settings';
import { tokenizeEndpoint } from './tokenize-endpoint';

export interface RouteContext {
  readonly engine: Engine;
  readonly journal: Journal;
  readonly models: SimulatedModels;
  readonly settings: SimulatorSettings;
  readonly apiKey: string | undefined;
}

/** What --api-key guards; the rest is open, as in vLLM. */
const GUARDED = /^\/(v1|v2|inference|cohere)(\/|$)/;

const METRICS_TYPE = 'text/plain; version=1.0.0; charset=utf-8';

const METHODS: Readonly<Record<string, readonly string[]>> = {
  '/health': ['GET'],
  '/ping': ['GET', 'POST'],
  '/version': ['GET'],
  '/load': ['GET'],
  '/metrics': ['GET'],
  '/v1/models': ['GET'],
  '/v1/chat/completions': ['POST'],
  '/v1/completions': ['POST'],
  '/tokenize': ['POST'],
  '/v1/embeddings': ['POST'],
  '/v1/rerank': ['POST'],
  '/v1/score': ['POST'],
};

const GENERATING = ['/v1/chat/completions', '/v1/completions'];
const SCORING = ['/v1/rerank', '/v1/score'];

/** A route that does not fit the model is not there. */
function isMissing(path: string, { task, tokenize }: SimulatorSettings): boolean {
  if (path === '/tokenize') return tokenize === 'missing';
  if (task === 'any') return false;
  if (GENERATING.includes(path)) return task !== 'generate';
  if (SCORING.includes(path)) return task === 'generate';
  return path === '/v1/embeddings' && task !== 'embed';
}

/** Answers one request as vLLM's front end does. */
export async function route(
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  open: (path: string, body: Buffer) => JournalEntry,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://simulator');
  const bytes = await readBody(request);
  const guarded = context.apiKey !== undefined && GUARDED.test(pathname) && request.method !== 'OPTIONS';
  if (guarded && request.headers.authorization !== `Bearer ${context.apiKey}`)
    return sendUnauthorized(response);
  const methods = METHODS[pathname];
  if (pathname.endsWith('/') && METHODS[pathname.slice(0, -1)])
    return sendRedirect(response, `http://${request.headers.host}${pathname.slice(0, -1)}`);
  if (!methods || isMissing(pathname, context.settings))
    return sendJson(response, 404, { detail: 'Not Found' });
  if (!methods.includes(request.method ?? '')) {
    response.setHeader('allow', methods.join(', '));
    return sendJson(response, 405, { detail: 'Method Not Allowed' });
  }
  const entry = open(pathname, bytes);
  try {
    await answer(context, pathname, bytes, request, response, entry);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    entry.outcome = 'rejected';
    entry.status = error.status;
    sendError(response, error);
  } finally {
    if (entry.outcome === 'running') entry.outcome = 'completed';
    entry.finishedAt ??= Date.now();
  }
}

async function answer(
  context: RouteContext,
  path: string,
  bytes: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  entry: JournalEntry,
): Promise<void> {
  const { engine, models, settings, journal } = context;
  switch (path) {
    case '/v1/chat/completions':
      return engine.generate('chat', parseBody(request, bytes), request, response, entry);
    case '/v1/completions':
      return engine.generate('completions', parseBody(request, bytes), request, response, entry);
    case '/v1/embeddings':
      return engine.pool('embeddings', parseBody(request, bytes), request, response, entry);
    case '/v1/rerank':
      return engine.pool('rerank', parseBody(request, bytes), request, response, entry);
    case '/v1/score':
      return engine.pool('score', parseBody(request, bytes), request, response, entry);
    case '/v1/models':
      return sendJson(response, 200, models.list());
    case '/tokenize':
      return sendJson(
        response,
        200,
        settings.tokenize === 'null' ? null : tokenizeEndpoint(parseBody(request, bytes), models, settings),
      );
    case '/version':
      return sendJson(response, 200, { version: '0.33.0+simulated' });
    case '/load':
      return sendJson(response, 200, { server_load: 0 });
    case '/metrics':
      return sendText(response, 200, prometheus(journal, models.find(undefined).id), METRICS_TYPE);
    default:
      return sendEmpty(response, path === '/health' && !settings.healthy ? 503 : 200);
  }
}
