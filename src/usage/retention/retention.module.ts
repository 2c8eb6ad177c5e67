import { Module } from '@nestjs/common';
import { ClosedDays } from '../totals/closed-days';
import { UsageLeaders } from '../totals/usage-leaders';
import { DeadRows } from './dead-rows';
import { Retention } from './retention.service';
import { UsagePartitions } from './usage-partitions';

/** Keeps the ledger in months, drops what is old enough, and adds up and ranks what is over. */
@Module({
  providers: [Retention, UsagePartitions, DeadRows, ClosedDays, UsageLeaders],
  exports: [Retention],
})
export class RetentionModule {}
