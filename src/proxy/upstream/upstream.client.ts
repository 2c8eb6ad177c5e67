import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { Dispatcher, Pool } from 'undici';
import { Env } from '../../config/env';
import { upstreamBase } from './upstream-origin';
import { outOfFiles } from './upstream.exceptions';

export interface UpstreamRequest {
  /** One of the constant paths of endpoints.ts. */
  readonly path: string;
  readonly body: Buffer;
  readonly requestId: string;
  readonly stream: boolean;
}

/** Takes an answer as it comes. Exactly one of onEnd and onError is called, last. */
export interface UpstreamReceiver {
  /** Dispatched: the request is being written to a connection of its own. */
  onDispatched(abort: (reason: Error) => void): void;
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

/** vLLM closes idle connections after 5 s; ours must be gone before, or a request meets a closing socket. */
const KEEP_ALIVE_MS = 2_500;

/** The streaming client of vLLM: fixed origin, constant paths, headers of our own, no redirects followed. */
@Injectable()
export class UpstreamClient implements OnApplicationShutdown {
  private readonly pool: Pool;
  private readonly basePath: string;
  private readonly authorization: string[];

  constructor(env: Env) {
    const { origin, basePath } = upstreamBase(env.VLLM_BASE_URL ?? '');
    this.basePath = basePath;
    this.authorization = env.VLLM_API_KEY ? ['authorization', `Bearer ${env.VLLM_API_KEY}`] : [];
    this.pool = new Pool(origin, {
      connections: env.UPSTREAM_CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // Both are watched by StallWatch, which knows the difference between a stream and a long answer.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: env.UPSTREAM_CONNECT_TIMEOUT_MS },
    });
  }

  send(request: UpstreamRequest, receiver: UpstreamReceiver): void {
    this.dispatch(request, receiver, true);
  }

  private dispatch(request: UpstreamRequest, receiver: UpstreamReceiver, mayRetry: boolean): void {
    const options: Dispatcher.DispatchOptions = {
      path: this.basePath + request.path,
      method: 'POST',
      headers: [
        'content-type',
        'application/json',
        'accept',
        request.stream ? 'text/event-stream' : 'application/json',
        'x-request-id',
        request.requestId,
        ...this.authorization,
      ],
      body: request.body,
    };
    let dispatched = false;
    this.pool.dispatch(options, {
      onConnect: (abort: (error?: Error) => void) => {
        dispatched = true;
        receiver.onDispatched(abort);
      },
      onHeaders: (status: number, raw: Buffer[], resume: () => void) => {
        if (status >= 200) receiver.onHeaders(status, readHeaders(raw), resume);
        return true;
      },
      onData: (chunk: Buffer) => receiver.onData(chunk),
      onComplete: () => receiver.onEnd(),
      onError: (error: Error) => {
        // Only a connection that was never made is tried again: nothing can have been generated. One that was made may break
        // with the same codes, when a route or a host goes.
        if (mayRetry && !dispatched && neverConnected(error)) this.dispatch(request, receiver, false);
        else receiver.onError(error);
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.destroy();
  }
}

const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Of a request that was not dispatched. */
export function neverConnected(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  return NEVER_CONNECTED.has(code) || outOfFiles(error);
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
