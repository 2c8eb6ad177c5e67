import { Module } from '@nestjs/common';
import { DeadRows } from './dead-rows';
import { Retention } from './retention.service';
import { UsagePartitions } from './usage-partitions';

/** Keeps the ledger in months, and drops what is old enough. */
@Module({ providers: [Retention, UsagePartitions, DeadRows], exports: [Retention] })
export class RetentionModule {}
