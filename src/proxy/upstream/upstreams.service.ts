import { HttpService } from '@nestjs/axios';
import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { Metrics } from '../../observability/metrics';
import { areDown } from './upstream-choice';
import { Upstream } from './upstream';

/** The vLLM servers of VLLM_BASE_URL, in its order: one, as a rule. */
@Injectable()
export class Upstreams implements OnApplicationShutdown {
  readonly all: readonly Upstream[];

  constructor(http: HttpService, metrics: Metrics, env: Env) {
    const servers = env.vllmServers;
    this.all = servers.map((server) => new Upstream(server, servers.length === 1, http, metrics, env));
  }

  /** Whether any new generation would wait in vain. */
  get areDown(): boolean {
    return areDown(this.all);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.all.map((upstream) => upstream.close()));
  }
}
