import { Injectable, Logger } from '@nestjs/common';
import type { CatalogueModel } from '../upstream/model-catalogue';
import type { Upstream } from '../upstream/upstream';

interface Told {
  readonly plain: number;
  readonly withTools: number;
}

/** What a chat template adds to every chat by itself, in tokens; it only ever grows. */
interface Overhead {
  plain: number;
  withTools: number;
  /** What each server has last told. */
  readonly told: Map<Upstream, Told>;
  /** When vLLM was last asked: performance.now(). */
  askedAt: number;
  /** Resolves when a server has answered for the first time; null from then on. */
  first: Promise<void> | null;
}

type Served = Pick<CatalogueModel, 'servedName' | 'servers'>;

/** How often a model in use is asked again: vLLM may come back with another template, or could not say. */
const ASK_AGAIN_MS = 60_000;
/**
 * The most that answers can teach. What they show is as large as a request can make it, and holds for everybody: beyond
 * any template there is, nobody shall be able to raise it.
 */
const MOST_LEARNED = 16_384;
const MESSAGES = [{ role: 'user', content: 'a' }];
/** The smallest there are. */
export const TOOLS = [
  { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } },
];

/**
 * The tokens that no byte of a request stands for: a built-in system prompt, a preamble for tools. vLLM is asked for
 * the count of the smallest chat there is, and what an answer's usage shows above the bound is added. Each process
 * learns for itself: a shared table would cost every request a query. Of several servers the largest template counts, as any
 * of them may get the request.
 */
@Injectable()
export class TemplateOverheads {
  private readonly logger = new Logger(TemplateOverheads.name);
  private readonly overheads = new Map<string, Overhead>();

  /** Waits for vLLM once for each served model; 0 while vLLM cannot say. */
  of(model: Served, withTools: boolean): number | Promise<number> {
    const overhead = this.overheads.get(model.servedName) ?? this.begin(model);
    if (performance.now() - overhead.askedAt > ASK_AGAIN_MS) void this.ask(model, overhead);
    const tokens = () => (withTools ? overhead.withTools : overhead.plain);
    return overhead.first === null ? tokens() : overhead.first.then(tokens);
  }

  /**
   * By how much the template of any other server is longer than that of the one that has counted a chat, in tokens: the other
   * one may get the request.
   */
  above(server: Upstream, { servedName, servers }: Served, withTools: boolean): number {
    const told = this.overheads.get(servedName)?.told;
    const own = told?.get(server);
    if (own === undefined || servers.length === 1) return 0;
    const tokens = (one: Told): number => (withTools ? Math.max(one.plain, one.withTools) : one.plain);
    return Math.max(...servers.map((other) => tokens(told?.get(other) ?? own))) - tokens(own);
  }

  private begin(model: Served): Overhead {
    const overhead: Overhead = {
      plain: 0,
      withTools: 0,
      told: new Map(),
      askedAt: -Infinity,
      first: null,
    };
    this.overheads.set(model.servedName, overhead);
    overhead.first = this.ask(model, overhead).then(() => void (overhead.first = null));
    return overhead;
  }

  /** An answer showed that `shown` would have been right, where `before` was taken: the next request starts from there. */
  raise(servedName: string, withTools: boolean, before: number, shown: number): void {
    const overhead = this.overheads.get(servedName);
    const tokens = Math.min(shown, MOST_LEARNED);
    // Of many that ran at once, all short by the same template, one raises it.
    if (!overhead || tokens <= (withTools ? overhead.withTools : overhead.plain)) return;
    grow(overhead, withTools ? { withTools: tokens } : { plain: tokens });
    this.logger.warn(
      { model: servedName, tools: withTools, before, tokens },
      'vLLM counted more prompt tokens than their upper bound: the chat template is now taken for larger',
    );
  }

  /** Until one server has said something, or none has: one that hangs holds nobody up. Never rejects. */
  private ask({ servedName, servers }: Served, overhead: Overhead): Promise<void> {
    overhead.askedAt = performance.now();
    const told = servers.map((server) => askOne(server, servedName, overhead));
    return Promise.any(told).catch(() => undefined);
  }
}

/** @throws when it does not say */
async function askOne(server: Upstream, model: string, overhead: Overhead): Promise<void> {
  const { vllm } = server;
  const count = (body: object) => vllm.countTokens(Buffer.from(JSON.stringify(body))).catch(() => null);
  const [plain, withTools] = await Promise.all([
    count({ model, messages: MESSAGES }),
    count({ model, messages: MESSAGES, tools: TOOLS }),
  ]);
  grow(overhead, { plain: plain ?? 0, withTools: withTools ?? 0 });
  if (plain === null) throw new Error('this server does not count');
  overhead.told.set(server, { plain, withTools: withTools ?? 0 });
}

function grow(overhead: Overhead, { plain = 0, withTools = 0 }: Partial<Overhead>): void {
  overhead.plain = Math.max(overhead.plain, plain);
  overhead.withTools = Math.max(overhead.withTools, overhead.plain, withTools);
}
