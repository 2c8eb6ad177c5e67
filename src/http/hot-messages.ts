import { IncomingMessage, ServerResponse } from 'node:http';

/** What guards, filters and the request log read of an Express request, on one that Express has never seen. */
export class HotRequest extends IncomingMessage {
  // All in the constructor, so that every request has the same shape.
  user: unknown = undefined;
  route: { readonly path: string } | undefined = undefined;

  get path(): string {
    // Without a route where it was refused before anybody looked for one.
    return this.route?.path ?? (this.url ?? '').replace(/[?#].*/, '');
  }

  get originalUrl(): string {
    return this.url ?? '';
  }
}

/** The part of an Express response that Nest itself calls. */
export class HotResponse extends ServerResponse {
  status(code: number): this {
    this.statusCode = code;
    return this;
  }
}
