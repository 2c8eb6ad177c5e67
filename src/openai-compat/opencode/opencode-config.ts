import { ApiProperty } from '@nestjs/swagger';
import type { ModelCard } from '../model-card';

/** What opencode calls this gateway: the first half of `llm-user-managed/opencode-llm`. */
const PROVIDER = 'llm-user-managed';
/** The variable that holds the key: in a user's environment, or as `opencode auth login` keeps it. */
export const KEY_VARIABLE = 'LLM_API_KEY';
/** opencode puts the variable's value here when it reads its configuration. */
export const KEY_FROM_ENVIRONMENT = `{env:${KEY_VARIABLE}}`;

/** Shown while vLLM cannot be asked; the name stands for the one model it will serve. */
const PLACEHOLDER: Model = { id: 'opencode-llm', context_length: 32_768, max_output_tokens: 8_192 };

/**
 * With less, opencode's first prompt (about 7,500 tokens of instructions and tools) and what it keeps free for an answer
 * leave nothing: it compacts a conversation of two words again and again, and never ends.
 */
const LEAST_CONTEXT = 16_384;

type Model = Pick<ModelCard, 'id' | 'context_length' | 'max_output_tokens'>;

class OpencodeCompaction {
  @ApiProperty({ example: false }) auto: boolean;
}

/** An opencode.json, as far as this gateway fills it in. */
export class OpencodeConfig {
  @ApiProperty({ example: 'https://opencode.ai/config.json' }) $schema: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: {
      [PROVIDER]: {
        npm: '@ai-sdk/openai-compatible',
        name: 'LLM User Management',
        options: { baseURL: 'http://localhost:8002/v1', apiKey: KEY_FROM_ENVIRONMENT },
        models: { 'opencode-llm': { name: 'opencode-llm', limit: { context: 32_768, output: 8_192 } } },
      },
    },
  })
  provider: Record<string, OpencodeProvider>;
  @ApiProperty({
    required: false,
    description: `Absent when there is no model with a context of ${LEAST_CONTEXT} tokens or more`,
    example: `${PROVIDER}/opencode-llm`,
  })
  model?: string;
  @ApiProperty({
    required: false,
    description: `Only when all models have a context below ${LEAST_CONTEXT} tokens: opencode would compact for ever`,
  })
  compaction?: OpencodeCompaction;
}

interface OpencodeProvider {
  readonly npm: string;
  readonly name: string;
  readonly options: { readonly baseURL: string; readonly apiKey: string };
  readonly models: Readonly<Record<string, object>>;
}

/**
 * The opencode.json for these models: those whose context is large enough for opencode, or else all, never compacting.
 * @param apiKey a key, or `KEY_FROM_ENVIRONMENT`
 */
export function opencodeConfig({
  baseUrl,
  apiKey,
  models,
}: {
  baseUrl: string;
  apiKey: string;
  models: readonly Model[];
}): OpencodeConfig {
  const large = models.filter(isLargeEnough);
  const offered = large.length > 0 ? large : models;
  return {
    $schema: 'https://opencode.ai/config.json',
    provider: {
      [PROVIDER]: {
        npm: '@ai-sdk/openai-compatible',
        name: 'LLM User Management',
        options: { baseURL: `${baseUrl}/v1`, apiKey },
        models: Object.fromEntries(offered.map((model) => [model.id, { name: model.id, ...limitOf(model) }])),
      },
    },
    ...(large[0] ? { model: `${PROVIDER}/${large[0].id}` } : {}),
    ...(large.length === 0 && models.length > 0 ? { compaction: { auto: false } } : {}),
  };
}

/** One whose context is not known may be. */
const isLargeEnough = ({ context_length: context }: Model): boolean =>
  context === null || context >= LEAST_CONTEXT;

/** For a file that is written before vLLM could be asked. */
export const withPlaceholder = (models: readonly Model[]): readonly Model[] =>
  models.length > 0 ? models : [PLACEHOLDER];

/** Without it opencode asks for 32,000 tokens of output and never compacts a long conversation. */
function limitOf({ context_length: context, max_output_tokens: output }: Model): object {
  return context === null ? {} : { limit: { context, output: output ?? context } };
}
