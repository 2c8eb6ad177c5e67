import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { AxiosRequestConfig, isAxiosError } from 'axios';
import { firstValueFrom } from 'rxjs';
import { Env } from '../../config/env';
import { upstreamBase } from './upstream-origin';

/** One card of vLLM's model list, as far as it is trusted. */
export interface ServedModel {
  readonly id: string;
  /** The model behind the name: aliases of one model share it. */
  readonly root: string;
  readonly parent: string | null;
  readonly maxModelLen: number | null;
}

/** What vLLM's engines say they are doing. */
export interface EngineLoad {
  readonly running: number;
  readonly waiting: number;
}

const TIMEOUT_MS = 5_000;
/** For what somebody waits for in front of a screen or a load balancer. */
const QUICK_MS = 2_000;
/** The largest answer of vLLM's /metrics that is read, in bytes. */
const LARGEST_METRICS = 4 * 1_024 * 1_024;

/** What the gateway itself asks vLLM: its models, token counts, its health. Small JSON, never on a stream's path. */
@Injectable()
export class VllmApi {
  private readonly base: string;
  private readonly options: AxiosRequestConfig;

  constructor(
    private readonly http: HttpService,
    env: Env,
  ) {
    const { origin, basePath } = upstreamBase(env.VLLM_BASE_URL ?? '');
    this.base = origin + basePath;
    this.options = {
      timeout: TIMEOUT_MS,
      maxRedirects: 0,
      proxy: false,
      headers: env.VLLM_API_KEY ? { authorization: `Bearer ${env.VLLM_API_KEY}` } : {},
    };
  }

  /** @throws when vLLM cannot be reached or answers nonsense */
  async models(): Promise<ServedModel[]> {
    const { data } = await firstValueFrom(this.http.get<unknown>(`${this.base}/v1/models`, this.options));
    const cards = (data as { data?: unknown }).data;
    if (!Array.isArray(cards)) throw new Error('GET /v1/models of the upstream did not answer a list');
    return cards.filter(isCard).map((card) => ({
      id: card.id,
      root: typeof card.root === 'string' ? card.root : card.id,
      parent: typeof card.parent === 'string' ? card.parent : null,
      maxModelLen: Number.isSafeInteger(card.max_model_len) ? (card.max_model_len as number) : null,
    }));
  }

  /** The exact token count of a /tokenize body; null when vLLM cannot say (no such route, or it refuses the prompt). */
  async countTokens(body: Buffer): Promise<number | null> {
    try {
      const { data } = await firstValueFrom(
        this.http.post<{ count?: unknown } | null>(`${this.base}/tokenize`, body, {
          ...this.options,
          maxBodyLength: Infinity,
          headers: { ...this.options.headers, 'content-type': 'application/json' },
        }),
      );
      const count = data?.count;
      return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : null;
    } catch (error) {
      if (isAxiosError(error)) return null;
      throw error;
    }
  }

  async isHealthy(): Promise<boolean> {
    return (await this.ask('/health')) !== null;
  }

  /** Null when vLLM does not say. */
  async version(): Promise<string | null> {
    const answer = await this.ask('/version');
    const version = typeof answer === 'object' && answer !== null && 'version' in answer && answer.version;
    return typeof version === 'string' ? version.slice(0, LONGEST_VERSION) : null;
  }

  /** The sum over all engines and models; null when vLLM does not say. */
  async load(): Promise<EngineLoad | null> {
    const text = await this.ask('/metrics');
    if (typeof text !== 'string') return null;
    const [running, waiting] = [sumOf(text, 'num_requests_running'), sumOf(text, 'num_requests_waiting')];
    return running === null || waiting === null ? null : { running, waiting };
  }

  /** Null when there is no good answer. */
  private async ask(path: '/health' | '/version' | '/metrics'): Promise<unknown> {
    try {
      const options = { ...this.options, timeout: QUICK_MS, maxContentLength: LARGEST_METRICS };
      const { data } = await firstValueFrom(this.http.get<unknown>(this.base + path, options));
      return data ?? '';
    } catch {
      return null;
    }
  }
}

const LONGEST_VERSION = 100;

/** Of a gauge of vLLM in Prometheus' text, one line for each engine. */
function sumOf(text: string, gauge: 'num_requests_running' | 'num_requests_waiting'): number | null {
  const values = [...text.matchAll(new RegExp(`^vllm:${gauge}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(
    ([, value]) => Number(value),
  );
  return values.length > 0 && values.every(Number.isFinite)
    ? values.reduce((sum, value) => sum + value)
    : null;
}

function isCard(
  card: unknown,
): card is { id: string; root?: unknown; parent?: unknown; max_model_len?: unknown } {
  return typeof card === 'object' && card !== null && 'id' in card && typeof card.id === 'string';
}
