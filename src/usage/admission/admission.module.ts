import { Module } from '@nestjs/common';
import { AdmissionService } from './admission.service';
import { HotStatements } from './hot-statements';
import { ProcessIdentity } from './process-identity';
import { SettlementService } from './settlement.service';

/** Reserve and settle: the only writers of counters and of the ledger. */
@Module({
  providers: [HotStatements, ProcessIdentity, AdmissionService, SettlementService],
  exports: [AdmissionService, SettlementService],
})
export class AdmissionModule {}
