import { ApiProperty } from '@nestjs/swagger';

export class UpstreamState {
  @ApiProperty({ example: 'http://vllm:8000', description: 'As VLLM_BASE_URL has it, without /v1' })
  base_url: string;
  @ApiProperty({ example: false, description: 'The built-in simulator: no model is connected' })
  simulated: boolean;
  @ApiProperty({ example: true, description: 'Its health check was answered' }) reachable: boolean;
  @ApiProperty({
    example: true,
    description:
      'false: generations wait in vain, and new ones are refused until it answers one, whatever its health check says',
  })
  answering: boolean;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) checked_at: string;
  @ApiProperty({ type: String, nullable: true, example: '0.32.0', description: 'null: it does not say' })
  version: string | null;
  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 12,
    description: 'What vLLM works on at this moment, whoever sent it; null: it does not say',
  })
  running_requests: number | null;
  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 0,
    description: 'In its queue; null: it does not say',
  })
  waiting_requests: number | null;
}

export class UpstreamList {
  @ApiProperty({ type: [UpstreamState] }) data: UpstreamState[];
}
