import { ApiProperty } from '@nestjs/swagger';

export class AdminModel {
  @ApiProperty({ example: 'opencode-llm', description: 'The public name: what clients send' }) id: string;
  @ApiProperty({ example: 'Qwen/Qwen3-Coder-30B-A3B-Instruct', description: 'What vLLM calls it' })
  served_name: string;
  @ApiProperty({ example: true, description: 'The two names differ' }) alias: boolean;
  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 32_768,
    description: 'Tokens of prompt and output together; null: vLLM does not say',
  })
  context_length: number | null;
  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 8_192,
    description: 'What clients are told to set as their output limit',
  })
  max_output_tokens: number | null;
  @ApiProperty({
    type: [String],
    example: ['http://vllm:8000'],
    description: 'The servers that serve it, by the base_url that GET /admin/upstreams gives them',
  })
  upstreams: string[];
}

export class AdminModelList {
  @ApiProperty({ type: [AdminModel] }) data: AdminModel[];
}
