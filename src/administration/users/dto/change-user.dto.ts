import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateIf } from 'class-validator';
import type { Role } from '../../../common/principal';
import { UpdateUser } from '../../../users/dto/update-user.dto';

const isGiven = (_: object, value: unknown): boolean => value !== undefined;

export class ChangeUser extends UpdateUser {
  @ApiPropertyOptional({
    enum: ['user', 'admin'],
    description: 'A change of it ends the sessions of the user',
  })
  @ValidateIf(isGiven)
  @IsIn(['user', 'admin'])
  role?: Role;

  @ApiPropertyOptional({
    enum: ['active', 'disabled'],
    description: 'disabled ends the sessions, and refuses the API keys until it is active again',
  })
  @ValidateIf(isGiven)
  @IsIn(['active', 'disabled'])
  status?: 'active' | 'disabled';
}
