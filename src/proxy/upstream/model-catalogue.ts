import { Injectable, Logger } from '@nestjs/common';
import { Env } from '../../config/env';
import { parseModelAliases } from '../../config/env.validators';
import { modelForbidden } from '../../usage/admission/admission.exceptions';
import type { Principal } from '../../common/principal';
import { ServedModel, VllmApi } from './vllm-api.service';
import { upstreamUnreachable } from './upstream.exceptions';

export interface CatalogueModel {
  /** The name clients use. */
  readonly id: string;
  /** The name vLLM knows. */
  readonly servedName: string;
  /** Tokens of prompt and output together; null when vLLM does not say. */
  readonly window: number | null;
}

/** The name opencode set-ups use; it stands for the one model there is, unless MODEL_ALIASES says otherwise. */
const DEFAULT_ALIAS = 'opencode-llm';
const FRESH_MS = 30_000;
/** How often an unknown name may make us look again. */
const RECHECK_MS = 2_000;

/** The gateway's own list of models: what vLLM serves, under the names clients may use. */
@Injectable()
export class ModelCatalogue {
  private readonly logger = new Logger(ModelCatalogue.name);
  private readonly aliases: ReadonlyMap<string, string>;
  private models: ReadonlyMap<string, CatalogueModel> = new Map();
  private loadedAt = -Infinity;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly vllm: VllmApi,
    env: Env,
  ) {
    this.aliases = parseModelAliases(env.MODEL_ALIASES) ?? new Map<string, string>();
  }

  /** @throws ApiException 502 when vLLM has never been reached */
  async list(principal: Principal): Promise<CatalogueModel[]> {
    return (await this.all()).filter((model) => mayUse(principal, model.id));
  }

  /** @throws ApiException 502 when vLLM has never been reached */
  async all(): Promise<CatalogueModel[]> {
    await this.ensureLoaded(FRESH_MS);
    return [...this.models.values()];
  }

  /** @throws ApiException 404 for a name that does not exist or is not for this key: the two look alike */
  resolve(name: string, principal: Principal): CatalogueModel | Promise<CatalogueModel> {
    // While the list is fresh no request needs to wait for anything.
    const known = performance.now() - this.loadedAt < FRESH_MS ? this.models.get(name) : undefined;
    return known && mayUse(principal, name) ? known : this.look(name, principal);
  }

  private async look(name: string, principal: Principal): Promise<CatalogueModel> {
    await this.ensureLoaded(FRESH_MS);
    if (!this.models.has(name)) await this.ensureLoaded(RECHECK_MS);
    const model = this.models.get(name);
    if (!model || !mayUse(principal, name)) throw modelForbidden(name);
    return model;
  }

  private async ensureLoaded(maxAgeMs: number): Promise<void> {
    const age = performance.now() - this.loadedAt;
    if (age < maxAgeMs) return;
    this.loading ??= this.load().finally(() => (this.loading = null));
    // A list that is merely old serves while the new one is fetched.
    if (this.models.size > 0 && maxAgeMs === FRESH_MS && age < 10 * FRESH_MS) {
      this.loading.catch(() => undefined);
      return;
    }
    await this.loading;
  }

  private async load(): Promise<void> {
    try {
      this.models = this.catalogue(await this.vllm.models());
      this.loadedAt = performance.now();
    } catch (error) {
      this.logger.warn({ err: error }, 'the model list of the upstream could not be read');
      if (this.models.size === 0) throw upstreamUnreachable(error);
    }
  }

  private catalogue(served: readonly ServedModel[]): Map<string, CatalogueModel> {
    const windows = new Map(served.map((model) => [model.id, windowOf(model, served)]));
    const models = new Map<string, CatalogueModel>();
    const add = (id: string, servedName: string) =>
      models.set(id, { id, servedName, window: windows.get(servedName) ?? null });
    for (const [alias, servedName] of this.implicitAliases(served)) {
      if (windows.has(servedName)) add(alias, servedName);
      else this.logger.warn(`MODEL_ALIASES names ${servedName}, which the upstream does not serve`);
    }
    for (const { id } of served) if (!models.has(id)) add(id, id);
    return models;
  }

  private implicitAliases(served: readonly ServedModel[]): ReadonlyMap<string, string> {
    const first = served[0];
    const oneModel = first && served.every((model) => model.root === first.root && model.parent === null);
    const taken = this.aliases.has(DEFAULT_ALIAS) || served.some((model) => model.id === DEFAULT_ALIAS);
    return oneModel && !taken ? new Map([[DEFAULT_ALIAS, first.id], ...this.aliases]) : this.aliases;
  }
}

/** A LoRA adapter has no window of its own: its parent's holds. */
function windowOf(model: ServedModel, served: readonly ServedModel[]): number | null {
  return model.maxModelLen ?? served.find((other) => other.id === model.parent)?.maxModelLen ?? null;
}

function mayUse(principal: Principal, model: string): boolean {
  return !principal.models || principal.models.includes(model);
}
