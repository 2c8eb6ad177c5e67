import { createServer, RequestListener, ServerOptions } from 'node:http';
import type { NestApplicationOptions } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { HotRequest, HotResponse } from './hot-messages';
import { HOT_ROUTE } from './hot-route.decorator';

/** The handler Nest compiles for a route: its guards, interceptors, parameters and filters included. */
type Handler = (request: HotRequest, response: HotResponse, next: (error?: unknown) => void) => unknown;

/**
 * Express, with a lane beside it: a POST to the exact path of a @HotRoute() goes straight from Node's parser to Nest's
 * compiled handler. Guards, interceptor and exception filters stay Nest's; Express middleware does not run, so what
 * must is given to `beforeHotRoutes`. Everything else, a query string or a slash at the end included, is Express'.
 */
export class HotExpressAdapter extends ExpressAdapter {
  private readonly hotRoutes = new Map<string, { readonly handler: Handler; readonly path: string }>();
  private before: (request: HotRequest, response: HotResponse) => void = () => undefined;

  /** Runs `open` on every request of a hot route, as middleware would on the others. */
  beforeHotRoutes(open: (request: HotRequest, response: HotResponse) => void): void {
    this.before = open;
  }

  // Nest has copied the metadata of the controller's method to the handler before it registers it here.
  override post(...args: [handler: unknown] | [path: unknown, handler: unknown]): unknown {
    const [path, handler] = args as [unknown, Handler | undefined];
    if (typeof path === 'string' && handler && Reflect.getMetadata(HOT_ROUTE, handler) === true) {
      this.hotRoutes.set(path, { handler, path });
    }
    return super.post(...(args as Parameters<ExpressAdapter['post']>));
  }

  override initHttpServer(options: NestApplicationOptions): void {
    super.initHttpServer(options);
    const express = this.getInstance<RequestListener>();
    const messages = { IncomingMessage: HotRequest, ServerResponse: HotResponse } as unknown as ServerOptions;
    this.httpServer = createServer(messages, (request, response) => {
      const hot = request.method === 'POST' ? this.hotRoutes.get(request.url ?? '') : undefined;
      if (!hot) return express(request, response);
      const [hotRequest, hotResponse] = [request as HotRequest, response as HotResponse];
      hotRequest.route = hot;
      this.before(hotRequest, hotResponse);
      this.serve(hot.handler, hotRequest, hotResponse);
    });
  }

  private serve(handler: Handler, request: HotRequest, response: HotResponse): void {
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
