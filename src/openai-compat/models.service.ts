import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal';
import { Env } from '../config/env';
import { ModelCatalogue } from '../proxy/upstream/model-catalogue';
import type { AdminModelList } from './admin-models.dto';
import { ModelCard, ModelList, toModelCard } from './model-card';

/** The gateway's catalogue in the shape of OpenAI's model list. */
@Injectable()
export class ModelsService {
  constructor(
    private readonly catalogue: ModelCatalogue,
    private readonly env: Env,
  ) {}

  async list(principal: Principal): Promise<ModelList> {
    const models = await this.catalogue.list(principal);
    return { object: 'list', data: models.map((model) => toModelCard(model, this.settings)) };
  }

  /** The same without those that only embed or compare, as far as their servers tell. */
  async listWriting(principal: Principal): Promise<ModelList> {
    const models = await this.catalogue.list(principal);
    // What stands in front of all of them may know no methods.
    const isKnown = models.some(({ servers }) => servers.some(({ hasChats }) => hasChats === true));
    const writing = models.filter(({ servers }) => servers.some(({ hasChats }) => hasChats !== false));
    const cards = (isKnown ? writing : models).map((model) => toModelCard(model, this.settings));
    return { object: 'list', data: cards };
  }

  async get(principal: Principal, id: string): Promise<ModelCard> {
    return toModelCard(await this.catalogue.resolve(id, principal), this.settings);
  }

  /** All of them, and what is behind their names. */
  async listAll(): Promise<AdminModelList> {
    const models = await this.catalogue.all();
    return {
      data: models.map((model) => {
        const { id, context_length, max_output_tokens } = toModelCard(model, this.settings);
        const { servedName: served_name } = model;
        const upstreams = model.servers.map(({ url }) => url);
        return { id, served_name, alias: id !== served_name, context_length, max_output_tokens, upstreams };
      }),
    };
  }

  private get settings(): { simulated: boolean; defaultMax: number } {
    return { simulated: this.env.simulated, defaultMax: this.env.DEFAULT_MAX_TOKENS };
  }
}
