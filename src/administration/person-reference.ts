import { ApiProperty } from '@nestjs/swagger';

/** Somebody who did something, maybe long ago. */
export class PersonReference {
  @ApiProperty({ format: 'uuid', example: '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b' }) id: string;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'ada',
    description: 'As it is today; null when the account is deleted',
  })
  username: string | null;
}
