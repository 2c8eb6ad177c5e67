import { Module } from '@nestjs/common';
import { EndedRequests } from '../leases/ended-requests.service';
import { OpenRequests } from '../leases/open-requests';
import { ProcessIdentity } from '../leases/process-identity';
import { ProcessLease } from '../leases/process-lease.service';
import { Reaper } from '../leases/reaper.service';
import { StrayRequests } from '../leases/stray-requests.service';
import { SettlementSpool } from '../spool/settlement-spool.service';
import { SpoolAdoption } from '../spool/spool-adoption.service';
import { SpoolDirectory } from '../spool/spool-directory';
import { AdmissionService } from './admission.service';
import { LateSettlements } from './late-settlements';
import { SettlementService } from './settlement.service';

const leases = [ProcessIdentity, OpenRequests, ProcessLease, Reaper, StrayRequests, EndedRequests];

/** Reserve and settle: the only writers of counters and of the ledger, whatever dies meanwhile. */
@Module({
  providers: [
    ...leases,
    SettlementSpool,
    SpoolAdoption,
    SpoolDirectory,
    AdmissionService,
    LateSettlements,
    SettlementService,
  ],
  exports: [AdmissionService, SettlementService, SettlementSpool, OpenRequests, ProcessLease],
})
export class AdmissionModule {}
