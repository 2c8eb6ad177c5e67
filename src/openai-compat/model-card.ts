import { ApiProperty } from '@nestjs/swagger';
import type { CatalogueModel } from '../proxy/upstream/model-catalogue';

/** One model as /v1/models shows it: OpenAI's fields, and what clients need to set their limits. */
export class ModelCard {
  @ApiProperty({ example: 'opencode-llm' }) id: string;
  @ApiProperty({ example: 'model' }) object: 'model';
  @ApiProperty({ type: 'integer', example: 1_764_000_000, description: 'Unix seconds; constant' })
  created: number;
  @ApiProperty({ example: 'vllm' }) owned_by: string;
  @ApiProperty({
    type: 'integer',
    example: 32_768,
    nullable: true,
    description: 'Tokens of prompt and output together',
  })
  context_length: number | null;
  @ApiProperty({
    type: 'integer',
    example: 8_192,
    nullable: true,
    description: 'What to set as the output limit of a coding agent',
  })
  max_output_tokens: number | null;
  @ApiProperty({ type: Boolean, required: false, description: 'Present and true when no model is connected' })
  simulated?: true;
}

export class ModelList {
  @ApiProperty({ example: 'list' }) object: 'list';
  @ApiProperty({ type: [ModelCard] }) data: ModelCard[];
}

/** vLLM's own timestamp changes with every call and says nothing. */
const CREATED = 1_764_000_000;

/** Agents subtract the output limit from the window: more than a quarter would leave little for the conversation. */
const OUTPUT_SHARE = 4;

export function toModelCard(
  model: CatalogueModel,
  settings: { simulated: boolean; defaultMax: number },
): ModelCard {
  const output = model.window === null ? null : Math.floor(model.window / OUTPUT_SHARE);
  return {
    id: model.id,
    object: 'model',
    created: CREATED,
    owned_by: settings.simulated ? 'vllm-simulator (answers are simulated)' : 'vllm',
    context_length: model.window,
    max_output_tokens: output === null ? null : Math.min(output, settings.defaultMax || output),
    ...(settings.simulated ? { simulated: true } : {}),
  };
}
