import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { IsPlainText } from '../../../common/plain-text.decorator';
import type { Role } from '../../../common/principal';
import { UserResponse } from '../../../users/dto/user-response.dto';
import { PageQuery } from '../../../common/page-query';
import { USER_SORTS, UserSort } from '../user-sort';

export class UsersQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'A part of the username; % and _ stand for themselves' })
  @IsOptional()
  @IsPlainText(128)
  search?: string;

  @ApiPropertyOptional({ enum: ['user', 'admin'] })
  @IsOptional()
  @IsIn(['user', 'admin'])
  role?: Role;

  @ApiPropertyOptional({ enum: ['active', 'disabled'] })
  @IsOptional()
  @IsIn(['active', 'disabled'])
  status?: 'active' | 'disabled';

  @ApiPropertyOptional({
    enum: USER_SORTS,
    default: '-created_at',
    description: 'A minus turns the order round; whoever never logged in counts as longest ago',
  })
  @IsOptional()
  @IsIn(USER_SORTS)
  sort?: UserSort;
}

export class AdminUserResponse extends UserResponse {
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2026-11-23T09:30:00.000Z' })
  last_login_at: string | null;

  @ApiProperty({ example: true, description: 'false: the user has yet to set a password, with a link' })
  has_password: boolean;
}

export class UsersPage {
  @ApiProperty({ type: [AdminUserResponse] }) data: AdminUserResponse[];
  @ApiProperty({ type: String, nullable: true, description: 'null: this was the last page' })
  next_cursor: string | null;
}
