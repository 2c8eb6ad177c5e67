import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { PartStatements } from '../database/part-statements';
import { AdmissionModule } from './admission/admission.module';
import { DefaultLimits } from './limits/default-limits.service';
import { KeyUsageController } from './key-usage.controller';
import { LedgerReader } from './ledger-reader.service';
import { KeyLimitsController } from './limits/key-limits.controller';
import { KeyLimits } from './limits/key-limits.service';
import { BackfillSums } from './limits/backfill-sums.service';
import { LimitCounters } from './limits/limit-counters.service';
import { LimitDirectory } from './limits/limit-directory.service';
import { LimitWindows } from './limits/limit-windows.service';
import { LimitsTimeZone } from './limits/limits-time-zone.service';
import { LimitsController } from './limits/limits.controller';
import { Limits } from './limits/limits.service';
import { TokenLimitController } from './limits/token-limit.controller';
import { TokenLimits } from './limits/token-limits.service';
import { UserCounters } from './limits/user-counters.service';
import { OwnKeyUsageController } from './own-key-usage.controller';
import { RatesModule } from './rates/rates.module';
import { UsageController } from './usage.controller';
import { UsageRecords } from './usage-records.service';
import { UsageService } from './usage.service';

/** What people have used and may use. The hot path, which counts, is in admission/. */
@Module({
  imports: [AdmissionModule, AuthModule, RatesModule],
  controllers: [
    UsageController,
    KeyUsageController,
    OwnKeyUsageController,
    TokenLimitController,
    KeyLimitsController,
    LimitsController,
  ],
  providers: [
    UsageService,
    UsageRecords,
    LedgerReader,
    PartStatements,
    LimitWindows,
    BackfillSums,
    LimitCounters,
    UserCounters,
    KeyLimits,
    Limits,
    LimitDirectory,
    DefaultLimits,
    LimitsTimeZone,
    TokenLimits,
  ],
  exports: [LedgerReader, LimitWindows, PartStatements, UsageRecords, UsageService],
})
export class UsageModule {}
