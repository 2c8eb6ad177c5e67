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

const TIMEOUT_MS = 5_000;

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
        this.http.post<{ count?: unknown }>(`${this.base}/tokenize`, body, {
          ...this.options,
          maxBodyLength: Infinity,
          headers: { ...this.options.headers, 'content-type': 'application/json' },
        }),
      );
      return Number.isSafeInteger(data.count) ? (data.count as number) : null;
    } catch (error) {
      if (isAxiosError(error)) return null;
      throw error;
    }
  }

  async isHealthy(): Promise<boolean> {
    try {
      await firstValueFrom(this.http.get(`${this.base}/health`, { ...this.options, timeout: 2_000 }));
      return true;
    } catch {
      return false;
    }
  }
}

function isCard(
  card: unknown,
): card is { id: string; root?: unknown; parent?: unknown; max_model_len?: unknown } {
  return typeof card === 'object' && card !== null && 'id' in card && typeof card.id === 'string';
}
