import { Injectable } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Env } from '../../config/env';
import { OpenRequests } from '../../usage/leases/open-requests';
import type { Upstream } from '../upstream/upstream';
import { UpstreamClient } from '../upstream/upstream.client';
import { Upstreams } from '../upstream/upstreams.service';
import type { Question } from '../upstream/vllm-api.service';
import type { Exchange, Running } from './exchange';
import { RelayLimits, RelayTask } from './relay-task';
import { ReplyMemory } from './reply-memory';
import { StallWatch } from './stall-watch';

/** Non-streamed answers finished for clients that have left, at once. */
const MOST_DRAINS = 64;

/** Carries one admitted request to vLLM and its answer back. */
@Injectable()
export class RelayService {
  private drains = 0;
  private readonly limits: RelayLimits;
  private readonly tasks = new Set<RelayTask>();
  /** Why nothing is sent to vLLM any more. */
  private ended: string | null = null;

  constructor(
    private readonly client: UpstreamClient,
    private readonly watch: StallWatch,
    private readonly open: OpenRequests,
    upstreams: Upstreams,
    env: Env,
  ) {
    for (const upstream of upstreams.all) upstream.engine.follow(() => this.oldestWaiting(upstream));
    this.limits = {
      firstByteMs: env.UPSTREAM_FIRST_BYTE_TIMEOUT_MS,
      idleMs: env.UPSTREAM_IDLE_TIMEOUT_MS,
      clientStallMs: env.CLIENT_STALL_TIMEOUT_MS,
      mayDrain: () => this.drains < MOST_DRAINS,
      drainStarted: () => (this.drains += 1),
      drainEnded: () => (this.drains -= 1),
      memory: new ReplyMemory(),
    };
  }

  relay(exchange: Exchange, response: ServerResponse): Running {
    const task = new RelayTask(exchange, response, this.watch, this.limits);
    this.tasks.add(task);
    this.open.follow(exchange.requestId, task);
    if (this.ended !== null) task.endNow(this.ended);
    // Its client may have left while it waited for admission.
    if (!task.isOver) this.client.send(toSend(exchange), task);
    void task.receipt.then(() => this.tasks.delete(task));
    return task;
  }

  private oldestWaiting(upstream: Upstream): Question | null {
    if (upstream.running === 0) return null;
    for (const task of this.tasks) if (task.isWaitingFor(upstream)) return task.question;
    return null;
  }

  /**
   * Ends whatever is under way: its client reads why, and what was counted is billed. What was still being admitted ends
   * as soon as it gets here.
   */
  endAll(message: string): void {
    this.ended = message;
    for (const task of this.tasks) task.endNow(message);
  }
}

const toSend = ({ upstreamPath, body, requestId, stream, servers, cacheSalt }: Exchange) => ({
  path: upstreamPath,
  body,
  requestId,
  stream,
  servers,
  user: cacheSalt,
});
