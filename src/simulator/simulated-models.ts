import { randomBytes } from 'node:crypto';
import { ApiError } from './api-error';
import type { SimulatedModel } from './simulator-settings';

/** The served models under all their names. */
export class SimulatedModels {
  private readonly byName = new Map<string, SimulatedModel>();

  constructor(private readonly models: readonly SimulatedModel[]) {
    for (const model of models) {
      for (const name of [model.id, ...(model.aliases ?? [])]) this.byName.set(name, model);
    }
  }

  /** No name means the first model. @throws ApiError 404, which names every alias as vLLM 0.32 does */
  find(name: string | undefined): SimulatedModel {
    const model = name === undefined ? this.models[0] : this.byName.get(name);
    if (model) return model;
    const names = [...this.byName.keys()].join(', ');
    throw new ApiError(
      404,
      'NotFoundError',
      'model',
      `The model \`${name}\` does not exist. Valid aliases: ${names}.`,
    );
  }

  /** GET /v1/models: a card for each name; `created` and the permission change with every call. */
  list(): object {
    const created = Math.floor(Date.now() / 1_000);
    return {
      object: 'list',
      data: [...this.byName].map(([name, model]) => ({
        id: name,
        object: 'model',
        created,
        owned_by: 'vllm',
        root: `/models/${model.id}`,
        parent: null,
        max_model_len: model.maxModelLen,
        permission: [
          {
            id: `modelperm-${randomBytes(8).toString('hex')}`,
            object: 'model_permission',
            created,
            allow_create_engine: false,
            allow_sampling: true,
            allow_logprobs: true,
            allow_search_indices: false,
            allow_view: true,
            allow_fine_tuning: false,
            organization: '*',
            group: null,
            is_blocking: false,
          },
        ],
      })),
    };
  }
}
