import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestContext } from '../common/request-context';
import type { AppLogger } from './app-logger';
import type { Metrics } from './metrics';
import { scrub } from './scrub';

const MAX_PATH = 256;

/** nginx' number for a client that left before its answer. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * One log line and one measurement per request, when its answer has ended one way or the other. Call it after
 * `openRequestContext`. The line is a closed list of fields: no query, header or body can reach it.
 */
export function logRequests(
  logger: AppLogger,
  metrics: Metrics,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    response.once('close', () => {
      const context = requestContext(request);
      const { requestId, arrivedAt, userId, apiKeyId, metered } = context;
      const durationMs = performance.now() - arrivedAt;
      const status = response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST;
      const route = routeOf(request);
      const method = request.method ?? '';
      metrics.requestFinished({ route, method, status, seconds: durationMs / 1_000 });
      const level = route?.startsWith('/health/') ? 'debug' : 'info';
      const cut = response.headersSent && !response.writableFinished ? true : undefined;
      const write = (): void =>
        logger.closed(
          level,
          {
            request_id: requestId,
            method,
            path: pathOf(request),
            route,
            status,
            duration_ms: Math.round(durationMs * 10) / 10,
            cut,
            user_id: userId,
            api_key_id: apiKeyId,
            ...context.log,
          },
          'request',
        );
      if (metered) metered.then(write, write);
      else write();
    });
  };
}

/** The pattern that matched, such as /v1/models/:id; never what the client sent. */
function routeOf(request: IncomingMessage): string | undefined {
  const { route } = request as { route?: { path?: unknown } };
  return typeof route?.path === 'string' ? route.path : undefined;
}

function pathOf(request: IncomingMessage): string {
  // Express rewrites `url` while it descends into routers; `originalUrl` is what was sent.
  const { originalUrl } = request as { originalUrl?: string };
  const target = originalUrl ?? request.url ?? '';
  // Most paths are the route itself, which is ours.
  if (target === routeOf(request)) return target;
  const end = target.search(/[?#]/);
  return scrub((end < 0 ? target : target.slice(0, end)).slice(0, MAX_PATH));
}
