import { ApiProperty } from '@nestjs/swagger';
import { IsString } from 'class-validator';

export class ChangePassword {
  @ApiProperty({ example: 'correct horse battery staple', format: 'password' })
  @IsString()
  current_password: string;

  @ApiProperty({ example: 'a longer sentence that only I know', format: 'password', maxLength: 128 })
  @IsString()
  new_password: string;
}
