import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Express, NextFunction, Request, Response } from 'express';
import { v7 as uuidV7 } from 'uuid';
import { plainAddress } from './auth/client-address';
import { requestIdHeaders } from './common/anthropic-paths';
import { FailureAnswers } from './common/failure-answers';
import { managementBodies } from './common/management-bodies';
import { describeFailure } from './common/problem';
import { openRequestContext } from './common/request-context';
import { managementValidation } from './common/validation';
import { Env } from './config/env';
import { setupDocs } from './docs/setup-docs';
import { allowedMethods } from './http/allowed-methods';
import { leaveRoomForRequests } from './http/connection-room';
import { HotExpressAdapter } from './http/hot-express-adapter';
import { answerMalformedRequests } from './http/malformed-requests';
import { watchAnswers } from './http/open-answers';
import { tooManyHeaders } from './http/request-heads';
import { endSlowBodies } from './http/slow-bodies';
import { endStalledReaders } from './http/stalled-readers';
import { AppLogger } from './observability/app-logger';
import { Metrics } from './observability/metrics';
import { logRequests } from './observability/request-log';
import { failureAnswer } from './openai-compat/failure-answer';
import { Overload, overloaded, retryAfter } from './proxy/overload/overload.service';

/** How long a client may take for its headers (and the second until that is noticed), and an idle connection may stay. */
const HEADERS_TIMEOUT_MS = 13_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** How long refusals of overload may wait to be written together. */
const REFUSALS_WAIT_MS = 10;

/** Everything between the socket and Nest's routes. Called by main.ts and by the tests, so tests run what ships. */
export function configureApp(app: NestExpressApplication): NestExpressApplication {
  const env = app.get(Env);
  const logger = app.get(AppLogger);
  app.useLogger(logger);
  app.disable('x-powered-by');
  app.disable('etag');
  trustProxies(app, env.TRUST_PROXY);
  const logRequest = logRequests(logger, app.get(Metrics));
  const open = (request: IncomingMessage, response: ServerResponse): void => {
    openRequestContext(request, response);
    logRequest(request, response);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('cache-control', 'no-store');
  };
  app.use((request: Request, response: Response, next: NextFunction) => {
    open(request, response);
    next();
  });
  const failures = app.get(FailureAnswers, { strict: false });
  const adapter: unknown = app.getHttpAdapter();
  if (adapter instanceof HotExpressAdapter) {
    adapter.refuseTooManyHeaders((request, response) => {
      open(request, response);
      failures.answer(tooManyHeaders(), request, response);
    });
    adapter.beforeHotRoutes(open);
    adapter.turnAwayFromHotRoutes(
      refusalOfOverload(app.get(Overload, { strict: false }), app.get(Metrics), env),
    );
  }
  app.use(...managementBodies());
  app.useGlobalPipes(managementValidation());
  setupDocs(app, env);

  const server = app.getHttpServer();
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  // Node would cut every body after 300 s, whatever its rate; slow ones are ended below.
  server.requestTimeout = 0;
  // Node would answer what it does not know how to expect with a bare 417; it may as well be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  leaveRoomForRequests(server, (message) => logger.warn(message, 'HTTP'));
  endSlowBodies(server, (failure, request, response) => failures.answer(failure, request, response));
  watchAnswers(server);
  endStalledReaders(server, env.CLIENT_STALL_TIMEOUT_MS);
  answerMalformedRequests(server, {
    methodsAt: (path) => allowedMethods(app.getHttpAdapter().getInstance() as Express, path),
    answer: ({ failure, path, requestId: known }) => {
      const requestId = known ?? uuidV7();
      const described = describeFailure(failure);
      const { status, code } = described;
      // A balancer that connects ahead of its requests is not worth a line every 14 s.
      const level = status === 408 ? 'debug' : 'info';
      if (known === null) logger.closed(level, { request_id: requestId, status, code }, 'malformed request');
      return { ...failureAnswer(path, described, env.publicUrl), requestId };
    },
  });
  return app;
}

/**
 * The answer of the exception filter, made once for each hot route: there are most of them when there is least time. No log line each, and
 * those of one turn of the event loop are written together, so that who reads many of them is woken once; but none
 * waits for a long turn to end.
 */
function refusalOfOverload(overload: Overload, metrics: Metrics, env: Env) {
  const failure = describeFailure(overloaded());
  const answers = new Map<string, ReturnType<typeof failureAnswer>>();
  const answerAt = (path: string) => {
    const known = answers.get(path) ?? failureAnswer(path, failure, env.publicUrl);
    answers.set(path, known);
    return known;
  };
  let unwritten: [response: ServerResponse, text: string][] = [];
  let firstAt = 0;
  const writeAll = (): void => {
    const responses = unwritten;
    unwritten = [];
    for (const [response, text] of responses) response.end(text, 'latin1');
  };
  return (request: IncomingMessage & { path: string }, response: ServerResponse): boolean => {
    if (!overload.refuses()) return false;
    const { type, text } = answerAt(request.path);
    response.writeHead(503, {
      ...requestIdHeaders(request.path, randomUUID()),
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'retry-after': retryAfter(),
      'content-type': type,
      'content-length': text.length,
    });
    const now = performance.now();
    if (unwritten.push([response, text]) === 1) {
      firstAt = now;
      setImmediate(writeAll);
    } else if (now - firstAt > REFUSALS_WAIT_MS) writeAll();
    metrics.requestFinished({ route: request.path, method: 'POST', status: 503, seconds: 0 });
    return true;
  };
}

/** Express takes false, true, a number of hops, or addresses; so does TRUST_PROXY. */
function trustProxies(app: NestExpressApplication, setting: string): void {
  const value =
    setting === 'true' || (setting !== 'false' && (/^\d+$/.test(setting) ? Number(setting) : setting));
  app.set('trust proxy', value);
  const express = app.getHttpAdapter().getInstance() as Express;
  const trusts = express.get('trust proxy fn') as (address: string, hop: number) => boolean;
  // A proxy that another one names with its port is still the one of the setting.
  express.set('trust proxy fn', (address: string, hop: number) =>
    trusts(plainAddress(address) ?? address, hop),
  );
}
