import { ApiProperty } from '@nestjs/swagger';
import { IsString } from 'class-validator';

export class DeleteAccount {
  @ApiProperty({ example: 'correct horse battery staple', format: 'password' })
  @IsString()
  current_password: string;
}
