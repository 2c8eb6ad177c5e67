import { Injectable } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Env } from '../../config/env';
import { OpenRequests } from '../../usage/leases/open-requests';
import { UpstreamClient } from '../upstream/upstream.client';
import type { Exchange, Running } from './exchange';
import { RelayLimits, RelayTask } from './relay-task';
import { StallWatch } from './stall-watch';

/** Non-streamed answers finished for clients that have left, at once. */
const MOST_DRAINS = 64;

/** Carries one admitted request to vLLM and its answer back. */
@Injectable()
export class RelayService {
  private drains = 0;
  private readonly limits: RelayLimits;
  private readonly tasks = new Set<RelayTask>();

  constructor(
    private readonly upstream: UpstreamClient,
    private readonly watch: StallWatch,
    private readonly open: OpenRequests,
    env: Env,
  ) {
    this.limits = {
      firstByteMs: env.UPSTREAM_FIRST_BYTE_TIMEOUT_MS,
      idleMs: env.UPSTREAM_IDLE_TIMEOUT_MS,
      clientStallMs: env.CLIENT_STALL_TIMEOUT_MS,
      mayDrain: () => this.drains < MOST_DRAINS,
      drainStarted: () => (this.drains += 1),
      drainEnded: () => (this.drains -= 1),
    };
  }

  relay(exchange: Exchange, response: ServerResponse): Running {
    const task = new RelayTask(exchange, response, this.watch, this.limits);
    this.tasks.add(task);
    this.open.follow(exchange.requestId, task);
    this.upstream.send(
      {
        path: exchange.upstreamPath,
        body: exchange.body,
        requestId: exchange.requestId,
        stream: exchange.stream,
      },
      task,
    );
    void task.receipt.then(() => this.tasks.delete(task));
    return task;
  }

  /** Ends whatever is under way: its client reads why, and what was counted is billed. */
  endAll(message: string): void {
    for (const task of this.tasks) task.endNow(message);
  }
}
