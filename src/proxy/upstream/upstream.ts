import type { HttpService } from '@nestjs/axios';
import { Pool } from 'undici';
import type { Env } from '../../config/env';
import type { VllmServer } from '../../config/vllm-servers';
import type { Metrics } from '../../observability/metrics';
import { EngineWatch } from './engine-watch';
import { neverConnected } from './never-connected';
import { Presence } from './presence';
import { outOfFiles } from './upstream.exceptions';
import { ServedModel, VllmApi } from './vllm-api.service';

/** vLLM closes idle connections after 5 s; ours must be gone before, or a request meets a closing socket. */
const KEEP_ALIVE_MS = 2_500;
/** However many are told that a model is not there, in milliseconds. */
const ASK_AGAIN_MS = 500;

/** One vLLM server: the way to it, and what is known of it. */
export class Upstream {
  /** Without credentials and without /v1. */
  readonly url: string;
  readonly basePath: string;
  /** Header names and values. */
  readonly authorization: readonly string[];
  readonly pool: Pool;
  readonly vllm: VllmApi;
  readonly engine: EngineWatch;
  /** What it serves, as it last said; null: it never has. */
  served: readonly ServedModel[] | null = null;
  /** False: its models embed or compare, and write nothing. Null: not known, as of one that is alone. */
  hasChats: boolean | null = null;
  /** Requests of this process that it works on, or that wait for a connection to it. */
  running = 0;
  private readonly presence: Presence;
  private askedAgainAt = -Infinity;
  private modelsRead: () => void = () => undefined;

  /** @param isAlone there is no other, to whom requests could go */
  constructor(
    { origin, basePath, apiKey }: VllmServer,
    private readonly isAlone: boolean,
    http: HttpService,
    metrics: Metrics,
    env: Env,
  ) {
    this.url = origin + basePath;
    this.basePath = basePath;
    this.authorization = apiKey === null ? [] : ['authorization', `Bearer ${apiKey}`];
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
    this.vllm = new VllmApi(http, this.url, apiKey, (error) => this.failed(error));
    const label = isAlone ? null : this.url;
    const changed = () => metrics.upstreamIsDown(this.isDown || this.isAway, label);
    this.engine = new EngineWatch(this.vllm, label, changed, env);
    this.presence = new Presence(this.url, () => this.readModels(), changed);
    changed();
  }

  /** It takes requests and answers none. */
  get isDown(): boolean {
    return this.engine.isDown;
  }

  /** No connection to it can be made. Never said of one that is alone: its requests have nowhere else to go. */
  get isAway(): boolean {
    return this.presence.isAway;
  }

  /** @param read what is to be done whenever it has said what it serves */
  follow(read: () => void): void {
    this.modelsRead = read;
  }

  /** One that comes back may serve something else: it is not used before it has said what. @throws when it says nothing */
  async readModels(): Promise<void> {
    const [served, hasChats] = await Promise.all([
      this.vllm.models(),
      this.isAlone ? null : this.vllm.hasChats(),
    ]);
    this.served = served;
    this.hasChats = hasChats;
    this.modelsRead();
    this.presence.found();
  }

  /** It does not know what it was asked for: of several, it may have been exchanged for another one. */
  servesOtherwise(): void {
    this.askAgain(() => undefined);
  }

  /** Something failed before it was dispatched, or was never answered. */
  failed(error: Error): void {
    if (neverConnected(error)) this.notConnected(error);
  }

  /** A request has found no connection. */
  notConnected(error: Error): void {
    if (!this.isAlone && !outOfFiles(error)) this.presence.lost();
  }

  /** A request was dispatched and its connection ended without an answer: something in front may take connections for it. */
  brokeOff(): void {
    this.askAgain(() => this.presence.lost());
  }

  private askAgain(onSilence: () => void): void {
    if (this.isAlone || performance.now() < this.askedAgainAt + ASK_AGAIN_MS) return;
    this.askedAgainAt = performance.now();
    this.readModels().catch(onSilence);
  }

  async close(): Promise<void> {
    this.presence.end();
    this.engine.end();
    await this.pool.destroy();
  }
}
