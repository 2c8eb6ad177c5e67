import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal';
import { Env } from '../config/env';
import { ModelCatalogue } from '../proxy/upstream/model-catalogue';
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

  async get(principal: Principal, id: string): Promise<ModelCard> {
    return toModelCard(await this.catalogue.resolve(id, principal), this.settings);
  }

  private get settings(): { simulated: boolean; defaultMax: number } {
    return { simulated: this.env.simulated, defaultMax: this.env.DEFAULT_MAX_TOKENS };
  }
}
