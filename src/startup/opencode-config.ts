import type { ModelCard } from '../openai-compat/model-card';

const PROVIDER = 'llm-user-managed';
/** Shown while vLLM cannot be asked; the name stands for the one model it will serve. */
const PLACEHOLDER = { id: 'opencode-llm', context_length: 32_768, max_output_tokens: 8_192 };

type Model = Pick<ModelCard, 'id' | 'context_length' | 'max_output_tokens'>;

/** The opencode.json of a user: works as it is, key included. */
export function opencodeConfig(settings: {
  baseUrl: string;
  apiKey: string;
  models: readonly Model[];
}): string {
  const models = settings.models.length > 0 ? settings.models : [PLACEHOLDER];
  const config = {
    $schema: 'https://opencode.ai/config.json',
    provider: {
      [PROVIDER]: {
        npm: '@ai-sdk/openai-compatible',
        name: 'LLM User Management',
        options: { baseURL: `${settings.baseUrl}/v1`, apiKey: settings.apiKey },
        models: Object.fromEntries(models.map((model) => [model.id, { name: model.id, ...limitOf(model) }])),
      },
    },
    model: `${PROVIDER}/${models[0]?.id}`,
  };
  return JSON.stringify(config, null, 2);
}

/** Without it opencode asks for 32,000 tokens of output and never compacts a long conversation. */
function limitOf({ context_length: context, max_output_tokens: output }: Model): object {
  return context === null ? {} : { limit: { context, output: output ?? context } };
}
