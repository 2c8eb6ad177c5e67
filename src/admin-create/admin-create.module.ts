import { DynamicModule, Module } from '@nestjs/common';
import { AuditLog } from '../auth/audit-log';
import { ConfigModule } from '../config/config.module';
import type { Env } from '../config/env';
import { DatabaseModule } from '../database/database.module';
import { UsersModule } from '../users/users.module';
import { AdminAccounts } from './admin-accounts';

/** Accounts and the audit log, and nothing that needs the secrets of a gateway. */
@Module({})
export class AdminCreateModule {
  static forEnv(env: Env): DynamicModule {
    return {
      module: AdminCreateModule,
      imports: [ConfigModule.forEnv(env), DatabaseModule, UsersModule],
      providers: [AdminAccounts, AuditLog],
    };
  }
}
