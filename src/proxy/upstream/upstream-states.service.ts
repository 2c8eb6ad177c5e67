import { Injectable } from '@nestjs/common';
import { Env } from '../../config/env';
import { EngineWatch } from './engine-watch.service';
import { upstreamBase } from './upstream-origin';
import type { UpstreamList, UpstreamState } from './upstream.dto';
import { VllmApi } from './vllm-api.service';

/** However many look: vLLM is asked no more often than this, in milliseconds. */
const STATE_LIFE_MS = 2_000;

/** What this gateway can see of vLLM. */
@Injectable()
export class UpstreamStates {
  private latest: { at: number; state: Promise<UpstreamState> } | undefined;

  constructor(
    private readonly vllm: VllmApi,
    private readonly engine: EngineWatch,
    private readonly env: Env,
  ) {}

  async list(): Promise<UpstreamList> {
    const now = performance.now();
    if (!this.latest || now - this.latest.at > STATE_LIFE_MS) this.latest = { at: now, state: this.check() };
    return { data: [await this.latest.state] };
  }

  private async check(): Promise<UpstreamState> {
    const { origin, basePath } = upstreamBase(this.env.VLLM_BASE_URL ?? '');
    const [reachable, version, load] = await Promise.all([
      this.vllm.isHealthy(),
      this.vllm.version(),
      this.vllm.load(),
    ]);
    return {
      base_url: origin + basePath,
      simulated: this.env.simulated,
      reachable,
      answering: !this.engine.isDown,
      checked_at: new Date().toISOString(),
      version,
      running_requests: load?.running ?? null,
      waiting_requests: load?.waiting ?? null,
    };
  }
}
