import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import type { DataSource } from 'typeorm';
import { IsPlainText } from '../../common/plain-text.decorator';
import { NO_KEY } from '../../usage/counted-usage';
import { PageQuery } from '../../common/page-query';

/** Whose use is asked for, and in which form. */
export class UsageFilter extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' }) @IsOptional() @IsUUID() user_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: `${NO_KEY}: what was used with sessions` })
  @IsOptional()
  @IsUUID('all')
  key_id?: string;

  @ApiPropertyOptional({ description: 'The public name; % and _ stand for themselves' })
  @IsOptional()
  @IsPlainText(256)
  model?: string;

  @ApiPropertyOptional({ enum: ['json', 'csv'], description: 'As `Accept: text/csv`; CSV holds all pages' })
  @IsOptional()
  @IsIn(['json', 'csv'])
  format?: 'json' | 'csv';
}

/** The user to look under: given, or the owner of the key. Ledger and rollups are kept by user. */
export async function userOf(
  dataSource: DataSource,
  { user_id, key_id }: UsageFilter,
): Promise<string | undefined> {
  if (user_id !== undefined || key_id === undefined || key_id === NO_KEY) return user_id;
  const rows: { user_id: string }[] = await dataSource.query('SELECT user_id FROM api_keys WHERE id = $1', [
    key_id,
  ]);
  // Nobody has this id: a key that does not exist was never used.
  return rows[0]?.user_id ?? NO_KEY;
}
