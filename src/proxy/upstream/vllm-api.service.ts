import type { HttpService } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import { AxiosRequestConfig, isAxiosError } from 'axios';
import { firstValueFrom } from 'rxjs';
import { ENDPOINTS, leastRequest } from '../endpoints';
import { neverConnected } from './never-connected';

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

/** A kind of generation: one of the paths of endpoints.ts, and the name vLLM knows its model by. */
export interface Question {
  readonly path: string;
  readonly model: string;
}

/** What became of a question; 'unreachable': no connection was made. */
export type Reaction = 'answered' | 'failed' | 'unreachable';

/** Of silence; and of an answer that only trickles in, from its question to its end. */
const TIMEOUT_MS = 5_000;
const LONGEST_MS = 30_000;
/** For what somebody waits for in front of a screen or a load balancer. */
const QUICK_MS = 2_000;
/** The largest answer that is read, in bytes: metrics of a thousand series, models with a thousand adapters. */
const LARGEST_ANSWER = 4 * 1_024 * 1_024;
/** A count comes with its token ids: hardly more than one for each byte that is counted, beside those of the template. */
const BYTES_PER_TOKEN_ID = 8;
const TEMPLATE_IDS = 256 * 1_024;
const LARGEST_COUNT = 64 * 1_024 * 1_024;
const NO_SUCH_PATH = 404;
const NO_SUCH_METHOD = 405;
/** Of a body. Not 404 and its like, which are about the route or the model, and pass. */
const REFUSALS: ReadonlySet<number> = new Set([400, 422]);

/** What the gateway itself asks of one server: its models, token counts, its health. Small JSON, never on a stream's path. */
export class VllmApi {
  private readonly logger = new Logger(VllmApi.name);
  private readonly options: AxiosRequestConfig;

  /**
   * @param base its URL without /v1
   * @param failed is told why there was no answer to what somebody waits for
   */
  constructor(
    private readonly http: HttpService,
    private readonly base: string,
    apiKey: string | null,
    private readonly failed: (error: Error) => void,
  ) {
    this.options = {
      timeout: TIMEOUT_MS,
      maxRedirects: 0,
      maxContentLength: LARGEST_ANSWER,
      proxy: false,
      headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
    };
  }

  /** @throws when vLLM cannot be reached or answers nonsense */
  async models(): Promise<ServedModel[]> {
    const options = { ...this.options, signal: AbortSignal.timeout(LONGEST_MS) };
    const { data } = await firstValueFrom(this.http.get<unknown>(`${this.base}/v1/models`, options)).catch(
      this.notAnswered,
    );
    const cards = (data as { data?: unknown }).data;
    if (!Array.isArray(cards)) throw new Error('GET /v1/models of the upstream did not answer a list');
    return cards.filter(isCard).map((card) => ({
      id: card.id,
      root: typeof card.root === 'string' ? card.root : card.id,
      parent: typeof card.parent === 'string' ? card.parent : null,
      maxModelLen: Number.isSafeInteger(card.max_model_len) ? (card.max_model_len as number) : null,
    }));
  }

  /** Whether it has a route for chats: a server whose model embeds has none. Null: it does not say. */
  async hasChats(): Promise<boolean | null> {
    const url = this.base + ENDPOINTS.chat_completions.upstreamPath;
    const options = { ...this.options, timeout: QUICK_MS, signal: AbortSignal.timeout(QUICK_MS) };
    try {
      const { status } = await firstValueFrom(this.http.get(url, { ...options, validateStatus: null }));
      return status === NO_SUCH_METHOD ? true : status === NO_SUCH_PATH ? false : null;
    } catch {
      return null;
    }
  }

  /** The exact token count of a /tokenize body; null when vLLM cannot say: no such route, a refusal, an endless answer. */
  async countTokens(body: Buffer): Promise<number | null> {
    const count = await this.tryToCount(body);
    return count === 'refused' ? null : count;
  }

  /** The same; 'refused': vLLM counts, but not what this body holds, and will say so again. */
  async tryToCount(body: Buffer): Promise<number | 'refused' | null> {
    try {
      const { data } = await firstValueFrom(
        this.http.post<{ count?: unknown } | null>(`${this.base}/tokenize`, body, {
          ...this.options,
          maxBodyLength: Infinity,
          maxContentLength: Math.min(LARGEST_COUNT, TEMPLATE_IDS + BYTES_PER_TOKEN_ID * body.length),
          signal: AbortSignal.timeout(LONGEST_MS),
          headers: { ...this.options.headers, 'content-type': 'application/json' },
        }),
      );
      const count = data?.count;
      return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : null;
    } catch (error) {
      if (!isAxiosError(error)) throw error;
      if (!error.response) {
        this.failed(error);
        this.logger.warn(`the tokens of a prompt were not counted: ${error.message}`);
      }
      return REFUSALS.has(error.response?.status ?? 0) ? 'refused' : null;
    }
  }

  /**
   * Asks for the least there is (one token), for nobody, and waits for as long as `signal` lets it. Any answer is one that is not about a fault of
   * vLLM: a refusal or a full queue keeps nobody waiting either. Never rejects.
   */
  async generateOne({ path, model }: Question, requestId: string, signal: AbortSignal): Promise<Reaction> {
    try {
      const { status } = await firstValueFrom(
        this.http.post<unknown>(
          this.base + path,
          { model, ...leastRequest(path) },
          {
            ...this.options,
            timeout: 0,
            signal,
            validateStatus: null,
            headers: { ...this.options.headers, 'x-request-id': requestId },
          },
        ),
      );
      return status < 500 || status === 503 ? 'answered' : 'failed';
    } catch (error) {
      return error instanceof Error && neverConnected(error) ? 'unreachable' : 'failed';
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

  /**
   * Numbers that change while the engines work, and stand still when they do: tokens that were read and written, and the
   * cache a long prompt fills bit by bit. Null when vLLM does not say.
   */
  async signsOfWork(): Promise<string | null> {
    const text = await this.ask('/metrics');
    if (typeof text !== 'string') return null;
    const values = SIGNS_OF_WORK.map((series) => sumOf(text, series));
    return values.every((value) => value === null) ? null : values.join();
  }

  private readonly notAnswered = (error: unknown): never => {
    if (isAxiosError(error) && !error.response) this.failed(error);
    throw error;
  };

  /** Null when there is no good answer. */
  private async ask(path: '/health' | '/version' | '/metrics'): Promise<unknown> {
    try {
      const options = { ...this.options, timeout: QUICK_MS, signal: AbortSignal.timeout(QUICK_MS) };
      const { data } = await firstValueFrom(this.http.get<unknown>(this.base + path, options));
      return data ?? '';
    } catch {
      return null;
    }
  }
}

const LONGEST_VERSION = 100;
const SIGNS_OF_WORK = ['prompt_tokens_total', 'generation_tokens_total', 'kv_cache_usage_perc'] as const;

/** Of a series of vLLM in Prometheus' text, one line for each engine. */
function sumOf(
  text: string,
  series: 'num_requests_running' | 'num_requests_waiting' | (typeof SIGNS_OF_WORK)[number],
): number | null {
  const values = [...text.matchAll(new RegExp(`^vllm:${series}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(
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
