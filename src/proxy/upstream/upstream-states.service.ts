import { Injectable } from '@nestjs/common';
import { Env } from '../../config/env';
import type { Upstream } from './upstream';
import type { UpstreamList, UpstreamState } from './upstream.dto';
import { Upstreams } from './upstreams.service';

/** However many look: vLLM is asked no more often than this, in milliseconds. */
const STATE_LIFE_MS = 2_000;

/** What this gateway can see of vLLM. */
@Injectable()
export class UpstreamStates {
  private latest: { at: number; states: Promise<UpstreamState[]> } | undefined;

  constructor(
    private readonly upstreams: Upstreams,
    private readonly env: Env,
  ) {}

  async list(): Promise<UpstreamList> {
    const now = performance.now();
    if (!this.latest || now - this.latest.at > STATE_LIFE_MS) {
      const states = Promise.all(this.upstreams.all.map((upstream) => this.check(upstream)));
      this.latest = { at: now, states };
    }
    return { data: await this.latest.states };
  }

  private async check({ url, vllm, engine }: Upstream): Promise<UpstreamState> {
    const [reachable, version, load] = await Promise.all([vllm.isHealthy(), vllm.version(), vllm.load()]);
    return {
      base_url: url,
      simulated: this.env.simulated,
      reachable,
      answering: !engine.isDown,
      checked_at: new Date().toISOString(),
      version,
      running_requests: load?.running ?? null,
      waiting_requests: load?.waiting ?? null,
    };
  }
}
