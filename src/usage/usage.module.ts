import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { LimitWindows } from './limits/limit-windows.service';
import { TokenLimitController } from './limits/token-limit.controller';
import { TokenLimits } from './limits/token-limits.service';
import { UsageController } from './usage.controller';
import { UsageRecords } from './usage-records.service';
import { UsageService } from './usage.service';

/** What people have used and may use. The hot path, which counts, is in admission/. */
@Module({
  imports: [AuthModule],
  controllers: [UsageController, TokenLimitController],
  providers: [UsageService, UsageRecords, LimitWindows, TokenLimits],
  exports: [LimitWindows],
})
export class UsageModule {}
