import { Injectable } from '@nestjs/common';
import type { Dispatcher } from 'undici';
import { notConnected } from './never-connected';
import type { Upstream } from './upstream';
import { anotherThan, chosen, nextAfter } from './upstream-choice';

export interface UpstreamRequest {
  /** One of the constant paths of endpoints.ts. */
  readonly path: string;
  readonly body: Buffer;
  readonly requestId: string;
  readonly stream: boolean;
  /** Those that serve its model. */
  readonly servers: readonly Upstream[];
  /** Alike for all requests of a user. */
  readonly user: string;
}

/** Takes an answer as it comes. Exactly one of onEnd and onError is called, last. */
export interface UpstreamReceiver {
  /** The request is being written to a connection of its own, and goes to no other server unless that one returns it. */
  onDispatched(abort: (reason: Error) => void, upstream: Upstream): void;
  /**
   * Its server has no room for it and did nothing with it, and another one may have.
   * @returns whether it shall go there; otherwise the refusal follows
   */
  onReturned(): boolean;
  onHeaders(status: number, headers: UpstreamHeaders, resume: () => void): void;
  /** @returns false to pause until `resume` is called */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  onError(error: Error): void;
}

/** The few headers of an answer that mean something here. */
export interface UpstreamHeaders {
  readonly contentType: string;
  readonly retryAfter: string | undefined;
}

/** The first one has been tried nowhere before. */
const NOWHERE: readonly Upstream[] = [];
/** How long a refusal may take that nobody reads, in milliseconds. */
const REFUSAL_MS = 5_000;

/** The streaming client of vLLM: fixed origins, constant paths, headers of our own, no redirects followed. */
@Injectable()
export class UpstreamClient {
  send(request: UpstreamRequest, receiver: UpstreamReceiver): void {
    this.dispatch(request, receiver, chosen(request.servers, request.user), NOWHERE);
  }

  private dispatch(
    request: UpstreamRequest,
    receiver: UpstreamReceiver,
    upstream: Upstream,
    tried: readonly Upstream[],
  ): void {
    const options: Dispatcher.DispatchOptions = {
      path: upstream.basePath + request.path,
      method: 'POST',
      headers: [
        'content-type',
        'application/json',
        'accept',
        request.stream ? 'text/event-stream' : 'application/json',
        'x-request-id',
        request.requestId,
        ...upstream.authorization,
      ],
      body: request.body,
    };
    let end: ((reason: Error) => void) | null = null;
    let answered = false;
    let ended = false;
    let returned: NodeJS.Timeout | null = null;
    upstream.running += 1;
    upstream.pool.dispatch(options, {
      onConnect: (abort: (error?: Error) => void) => {
        end = abort;
        receiver.onDispatched(abort, upstream);
      },
      onHeaders: (status: number, raw: Buffer[], resume: () => void) => {
        if (status < 200) return true;
        answered = true;
        const other = hasNoRoom(status) && tried === NOWHERE ? roomBeside(upstream, request) : null;
        if (!other || !receiver.onReturned()) {
          receiver.onHeaders(status, readHeaders(raw), resume);
          return true;
        }
        // What it says is read for the sake of the connection, should it not take long.
        returned = setTimeout(() => end?.(new Error('its refusal does not end')), REFUSAL_MS).unref();
        this.dispatch(request, receiver, other, [upstream]);
        return true;
      },
      onData: (chunk: Buffer) => returned !== null || receiver.onData(chunk),
      onComplete: () => {
        ended = true;
        upstream.running -= 1;
        if (returned === null) receiver.onEnd();
        else clearTimeout(returned);
      },
      onError: (error: Error) => {
        // What a receiver throws at its end comes here, too.
        if (!ended) upstream.running -= 1;
        ended = true;
        if (returned !== null) return clearTimeout(returned);
        // Only a connection that was never made is tried again: nothing can have been generated. One that was made may break
        // with the same codes, when a route or a host goes.
        // What ended it here, for its client, has no code.
        if (end && !answered && 'code' in error) upstream.brokeOff();
        const next = end || !notConnected(error) ? null : after(error, request, upstream, tried);
        if (next) this.dispatch(request, receiver, next, [...tried, upstream]);
        else receiver.onError(error);
      },
    });
  }
}

/** Said before anything was done: a queue that is full, an engine that has ended, a proxy that lets no more through. */
const hasNoRoom = (status: number): boolean => status === 503 || status === 429;

function roomBeside(upstream: Upstream, { servers, user }: UpstreamRequest): Upstream | null {
  return servers.length === 1 ? null : anotherThan([upstream], servers, user);
}

function after(
  error: Error,
  { servers, user }: UpstreamRequest,
  upstream: Upstream,
  tried: readonly Upstream[],
): Upstream | null {
  upstream.notConnected(error);
  return nextAfter([...tried, upstream], servers, user);
}

function readHeaders(raw: Buffer[]): UpstreamHeaders {
  let contentType = '';
  let retryAfter: string | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as Buffer).toString('latin1').toLowerCase();
    if (name === 'content-type') contentType = (raw[index + 1] as Buffer).toString('latin1').toLowerCase();
    else if (name === 'retry-after') retryAfter = (raw[index + 1] as Buffer).toString('latin1');
  }
  return { contentType, retryAfter };
}
