import { ApiProperty } from '@nestjs/swagger';
import type { Role } from '../../common/principal';

export class UserResponse {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) id: string;
  @ApiProperty({ example: 'ada' }) username: string;
  @ApiProperty({ type: String, nullable: true, example: 'ada@example.com' }) email: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'Ada Lovelace' }) name: string | null;
  @ApiProperty({ enum: ['user', 'admin'], example: 'user' }) role: Role;
  @ApiProperty({ enum: ['active', 'disabled'], example: 'active' }) status: 'active' | 'disabled';
  @ApiProperty({
    type: Number,
    nullable: true,
    example: 1_000_000,
    description: 'Tokens a calendar month: the smallest limit that applies; null when there is none',
  })
  token_limit: number | null;
  @ApiProperty({ example: 15_230, description: 'Tokens used in this calendar month' }) tokens_used: number;
  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' }) created_at: string;
}
