import { ApiProperty } from '@nestjs/swagger';

export class SessionResponse {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) id: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) created_at: string;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:45:00.000Z' }) last_used_at: string;
  @ApiProperty({ format: 'date-time', example: '2026-12-23T09:30:00.000Z' }) expires_at: string;
  @ApiProperty({ type: String, nullable: true, example: 'curl/8.5.0' }) user_agent: string | null;
  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7' }) address: string | null;
  @ApiProperty({ example: true, description: 'The session that asks' }) current: boolean;
}
