import { createServer, RequestListener, ServerOptions, ServerResponse } from 'node:http';
import type { NestApplicationOptions } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import type { Express, RequestHandler } from 'express';
import { allowedMethods, methodNotAllowed } from './allowed-methods';
import { continueWhenRead } from './continue-when-read';
import { HotRequest, HotResponse } from './hot-messages';
import { HOT_ROUTE } from './hot-route.decorator';
import { MalformedHead } from './malformed-requests';
import { serveInLine } from './queued-answers';
import { noSuchRoute } from './no-such-route';
import { ignoreRequest, isRefused } from './refused-connections';
import { holdsTooManyHeaders, namesOneHost } from './request-heads';

/** The handler Nest compiles for a route: its guards, interceptors, parameters and filters included. */
type Handler = (request: HotRequest, response: HotResponse, next: (error?: unknown) => void) => unknown;

/** How often Node looks for clients that are too slow with their headers or their whole request. Milliseconds. */
const SLOW_CLIENT_CHECK_MS = 1_000;

/**
 * Express, with a lane beside it: a POST to the exact path of a @HotRoute() goes straight from Node's parser to Nest's
 * compiled handler. Guards, interceptor and exception filters stay Nest's; Express middleware does not run, so what
 * must is given to `beforeHotRoutes`. Everything else, a query string or a slash at the end included, is Express'.
 */
export class HotExpressAdapter extends ExpressAdapter {
  private readonly hotRoutes = new Map<string, { readonly handler: Handler; readonly path: string }>();
  private before: (request: HotRequest, response: HotResponse) => void = () => undefined;
  private refuseHeaders: (request: HotRequest, response: ServerResponse) => void = () => undefined;
  private turnsAway: (request: HotRequest, response: HotResponse) => boolean = () => false;

  /** Runs `open` on every request of a hot route, as middleware would on the others. */
  beforeHotRoutes(open: (request: HotRequest, response: HotResponse) => void): void {
    this.before = open;
  }

  /** Answers a request with too many headers, whatever its route. */
  refuseTooManyHeaders(refuse: (request: HotRequest, response: ServerResponse) => void): void {
    this.refuseHeaders = refuse;
  }

  /** Asked first of all about a request of a hot route; true: it has been answered, for as little as can be. */
  turnAwayFromHotRoutes(turnsAway: (request: HotRequest, response: HotResponse) => boolean): void {
    this.turnsAway = turnsAway;
  }

  // Nest has copied the metadata of the controller's method to the handler before it registers it here.
  override post(...args: [handler: unknown] | [path: unknown, handler: unknown]): unknown {
    const [path, handler] = args as [unknown, Handler | undefined];
    if (typeof path === 'string' && handler && Reflect.getMetadata(HOT_ROUTE, handler) === true) {
      this.hotRoutes.set(path, { handler, path });
    }
    return super.post(...(args as Parameters<ExpressAdapter['post']>));
  }

  // A path that is there, asked in a way it does not have, is no unknown path (RFC 9110, 15.5.6).
  override setNotFoundHandler(handler: RequestHandler, ...rest: [prefix?: string]): void {
    const notFound: RequestHandler = (request, response, next) => {
      const express = this.getInstance<Express>();
      const allowed = allowedMethods(express, request.path);
      if (allowed.length > 0) return next(methodNotAllowed(request.method, allowed));
      const unknown = noSuchRoute(express, request.method, request.path);
      return unknown ? next(unknown) : handler(request, response, next);
    };
    super.setNotFoundHandler(notFound, ...rest);
  }

  override initHttpServer(options: NestApplicationOptions): void {
    super.initHttpServer(options);
    const express = this.getInstance<RequestListener>();
    const serverOptions = {
      IncomingMessage: HotRequest,
      ServerResponse: HotResponse,
      connectionsCheckingInterval: SLOW_CLIENT_CHECK_MS,
      // Node would answer it with a bare 400.
      requireHostHeader: false,
    } as unknown as ServerOptions;
    const serve = (request: HotRequest, response: HotResponse): void => {
      if (holdsTooManyHeaders(request.rawHeaders)) return this.refuseHeaders(request, response);
      if (!namesOneHost(request.rawHeaders, request.httpVersion)) {
        const malformed = new MalformedHead('not one Host header', response);
        this.httpServer.emit('clientError', malformed, request.socket);
        return;
      }
      const hot = request.method === 'POST' ? this.hotRoutes.get(request.url ?? '') : undefined;
      if (!hot) return express(request, response);
      request.route = hot;
      if (this.turnsAway(request, response)) return;
      this.before(request, response);
      this.handle(hot.handler, request, response);
    };
    const listener: RequestListener = (request, response) => {
      // Node's parser goes on with what came together with the one that was refused.
      if (isRefused(request.socket)) return ignoreRequest(request.socket);
      const [hotRequest, hotResponse] = [request as HotRequest, response as HotResponse];
      serveInLine(hotRequest, hotResponse, () => serve(hotRequest, hotResponse));
    };
    this.httpServer = createServer(serverOptions, listener);
    this.httpServer.on('checkContinue', (request: HotRequest, response: HotResponse) => {
      continueWhenRead(request, response);
      listener(request, response);
    });
  }

  private handle(handler: Handler, request: HotRequest, response: HotResponse): void {
    // Nest's exception layer answers; what comes here failed in answering, and a cut is all that is left.
    const fail = (): unknown => response.destroy();
    try {
      const done = handler(request, response, fail);
      if (done instanceof Promise) done.catch(fail);
    } catch {
      fail();
    }
  }
}
