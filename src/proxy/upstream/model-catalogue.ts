import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Env } from '../../config/env';
import { parseModelAliases } from '../../config/env.validators';
import { modelForbidden } from '../../usage/admission/admission.exceptions';
import type { Principal } from '../../common/principal';
import { firstNamesOf } from './first-names';
import { publicNames } from './public-names';
import { OfferedModel, offeredBy } from './served-models';
import type { Upstream } from './upstream';
import { upstreamUnreachable } from './upstream.exceptions';
import { Upstreams } from './upstreams.service';

export interface CatalogueModel {
  /** The name clients use. */
  readonly id: string;
  /** The name vLLM knows. */
  readonly servedName: string;
  /** Tokens of prompt and output together; null when vLLM does not say. */
  readonly window: number | null;
  /** At least one. */
  readonly servers: readonly Upstream[];
}

/** The lists of all servers on their way. Both never reject; they tell why no list came, or null when one did. */
interface Reading {
  /** Every server has told or failed. */
  readonly whole: Promise<unknown>;
  /** The same, or one has told and the others have had their time. */
  readonly enough: Promise<unknown>;
}

/** The name opencode set-ups use; it stands for the one model of the first server, unless MODEL_ALIASES says otherwise. */
const DEFAULT_ALIAS = 'opencode-llm';
const FRESH_MS = 30_000;
/** How often an unknown name may make us look again. */
const RECHECK_MS = 2_000;
/** How long a list may come later than the first one and still be waited for. */
const LATECOMERS_MS = 1_000;

/** The gateway's own list of models: what the vLLM servers serve, under the names clients may use. */
@Injectable()
export class ModelCatalogue {
  private readonly logger = new Logger(ModelCatalogue.name);
  private readonly aliases: ReadonlyMap<string, string>;
  private readonly hasOneName: boolean;
  private models: ReadonlyMap<string, CatalogueModel> = new Map();
  /** The public names of models whose own are paths. */
  private names: ReadonlyMap<string, string> = new Map();
  /** When a server has last told. */
  private loadedAt = -Infinity;
  private reading: Reading | null = null;

  constructor(
    private readonly upstreams: Upstreams,
    env: Env,
  ) {
    this.aliases = parseModelAliases(env.MODEL_ALIASES) ?? new Map<string, string>();
    this.hasOneName = env.ONE_NAME_PER_MODEL;
    for (const upstream of upstreams.all) upstream.follow(() => this.update());
  }

  /** @throws ApiException 502 when vLLM has never been reached */
  async list(principal: Principal): Promise<CatalogueModel[]> {
    return (await this.all()).filter((model) => mayUse(principal, model.id));
  }

  /**
   * The one of who names none; undefined: there is none for this key.
   * @throws ApiException 502 when vLLM has never been reached, or of several servers the first has not told yet
   */
  async first(principal: Principal): Promise<CatalogueModel | undefined> {
    const models = await this.list(principal);
    const server = this.upstreams.all[0];
    if (server?.served === null) throw hasNotTold(server);
    return models[0];
  }

  /** @throws ApiException 502 when vLLM has never been reached */
  async all(): Promise<CatalogueModel[]> {
    await this.ensureLoaded();
    return [...this.models.values()];
  }

  /**
   * A path that vLLM has as a name is never shown, and whoever knows it is served as under the public one: no limit or list
   * of a key knows any other.
   * @throws ApiException 404 for a name that does not exist or is not for this key: the two look alike
   */
  resolve(name: string, principal: Principal): CatalogueModel | Promise<CatalogueModel> {
    // While the list is fresh no request needs to wait for anything.
    const known = performance.now() - this.loadedAt < FRESH_MS ? this.find(name) : undefined;
    return known && mayUse(principal, known.id) ? known : this.look(name, principal);
  }

  private find(name: string): CatalogueModel | undefined {
    return this.models.get(name) ?? this.models.get(this.names.get(name) ?? '');
  }

  private async look(name: string, principal: Principal): Promise<CatalogueModel> {
    await this.ensureLoaded();
    if (!this.find(name)) await this.lookAgain();
    const model = this.find(name);
    if (model && mayUse(principal, model.id)) return model;
    // It may be that of a server that has said nothing yet: a client that reads that there is none gives up.
    const silent = this.upstreams.all.find(({ served }) => served === null);
    throw model || !silent ? modelForbidden(name) : hasNotTold(silent);
  }

  private async ensureLoaded(): Promise<void> {
    const age = performance.now() - this.loadedAt;
    if (age < FRESH_MS) return;
    this.reading ??= this.read();
    // A list that is merely old serves while the new one is fetched.
    if (this.models.size > 0 && age < 10 * FRESH_MS) return;
    this.refuseWithout(await this.reading.enough);
  }

  /** What one server serves may still be on its way when others have told. */
  private async lookAgain(): Promise<void> {
    if (this.reading === null && performance.now() - this.loadedAt < RECHECK_MS) return;
    this.reading ??= this.read();
    this.refuseWithout(await this.reading.whole);
  }

  private refuseWithout(failure: unknown): void {
    if (failure !== null && this.models.size === 0) throw upstreamUnreachable(failure);
  }

  private read(): Reading {
    const lists = this.upstreams.all.map((upstream) => this.readFrom(upstream));
    const whole = Promise.any(lists).then(
      async () => {
        await Promise.allSettled(lists);
        this.ended();
        return null;
      },
      ({ errors }: AggregateError) => {
        this.reading = null;
        return errors[0] as unknown;
      },
    );
    if (lists.length === 1) return { whole, enough: whole };
    const late = Promise.any(lists).then(
      () => sleep(LATECOMERS_MS, null, { ref: false }),
      () => whole,
    );
    return { whole, enough: Promise.race([whole, late]) };
  }

  private ended(): void {
    this.reading = null;
    if (this.upstreams.all.some(({ served }) => served === null)) return;
    const served = new Set(offeredBy(this.upstreams.all).map(({ id }) => id));
    for (const name of this.aliases.values())
      if (!served.has(name))
        this.logger.warn(`MODEL_ALIASES names ${name}, which the upstream does not serve`);
  }

  private async readFrom(upstream: Upstream): Promise<void> {
    try {
      await upstream.readModels();
    } catch (error) {
      const which = this.upstreams.all.length === 1 ? {} : { upstream: upstream.url };
      this.logger.warn({ err: error, ...which }, 'the model list of the upstream could not be read');
      throw error;
    }
  }

  /** A server that says nothing keeps what it said last: it is more likely to come back than to have changed. */
  private update(): void {
    this.models = this.catalogue(offeredBy(this.upstreams.all));
    this.loadedAt = performance.now();
  }

  private catalogue(offered: readonly OfferedModel<Upstream>[]): Map<string, CatalogueModel> {
    const known = new Map(offered.map((model) => [model.id, model]));
    const models = new Map<string, CatalogueModel>();
    const firstNames = this.hasOneName ? firstNamesOf(this.upstreams.all) : null;
    const named = new Set<string>();
    const add = (id: string, { id: servedName, window, servers }: OfferedModel<Upstream>): void => {
      const model = firstNames?.get(servedName) ?? id;
      if (!named.has(model)) models.set(id, { id, servedName, window, servers });
      named.add(model);
    };
    const aliases = this.implicitAliases(offered);
    this.names = publicNames([...known.keys()], aliases);
    for (const [alias, servedName] of aliases) {
      const model = known.get(servedName);
      if (model) add(alias, model);
    }
    for (const model of offered) {
      const name = this.names.get(model.id) ?? model.id;
      if (!models.has(name)) add(name, model);
    }
    return models;
  }

  private implicitAliases(offered: readonly OfferedModel<Upstream>[]): ReadonlyMap<string, string> {
    // Those behind the first server may come and go, an embedding model beside the one that writes: the name stays where it
    // was, and means nothing until the first has told, lest a key for one model opens another.
    const models = this.upstreams.all[0]?.served ?? [];
    const [first] = models;
    const oneModel = first && models.every((model) => model.root === first.root && model.parent === null);
    const taken = this.aliases.has(DEFAULT_ALIAS) || offered.some((model) => model.id === DEFAULT_ALIAS);
    if (!oneModel || taken) return this.aliases;
    // The list begins with it; where each model has one name only, a name that was chosen comes before it.
    const implicit: [string, string] = [DEFAULT_ALIAS, first.id];
    return new Map(this.hasOneName ? [...this.aliases, implicit] : [implicit, ...this.aliases]);
  }
}

const hasNotTold = ({ url }: Upstream) => upstreamUnreachable(`${url} has not told what it serves`);

function mayUse(principal: Principal, model: string): boolean {
  return !principal.models || principal.models.includes(model);
}
