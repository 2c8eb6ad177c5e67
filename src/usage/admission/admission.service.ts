import { Injectable } from '@nestjs/common';
import { DatabaseError } from 'pg';
import { Env } from '../../config/env';
import type { Principal } from '../../common/principal';
import { Metrics } from '../../observability/metrics';
import { admissionUnavailable } from './admission.exceptions';
import { GATHER } from './gather';
import { GroupCommit } from './group-commit';
import { LATE, TimeLimit } from './time-limit';
import { admittedInto, Room, toVerdict, Verdict, VerdictRow } from './verdict';
import { againAfterDeadlocks } from '../../database/deadlocks';
import { HotStatements, isFaultOfOneItem } from '../../database/hot-statements';
import { plainArray } from '../../database/plain-array';
import { OpenRequests } from '../leases/open-requests';
import { ProcessIdentity } from '../leases/process-identity';
import { ProcessLease } from '../leases/process-lease.service';
import { StrayRequests } from '../leases/stray-requests.service';
import { SettlementSpool } from '../spool/settlement-spool.service';
import { SettlementService } from './settlement.service';
import { NO_TOKENS, Settlement } from '../token-usage';

export interface AdmissionRequest {
  readonly requestId: string;
  readonly principal: Principal;
  readonly endpoint: string;
  /** Public name. */
  readonly model: string;
  readonly stream: boolean;
  /** Its answer has tokens. */
  readonly generates: boolean;
  /** Upper bound (or exact count) of the prompt's tokens. */
  readonly promptBound: number;
  /** Tokens wanted: prompt and every choice's output. */
  readonly want: number;
  /** Refused when fewer than this can be had. */
  readonly minimum: number;
  /** The client's name for this request and its repetitions. */
  readonly idempotencyKey: string | null;
}

const ADMIT = `SELECT * FROM admit_requests($1::uuid, $2::text, $3::uuid[], $4::uuid[], $5::uuid[], $6::text[],
  $7::text[], $8::boolean[], $9::bigint[], $10::bigint[], $11::bigint[])`;
const ADMIT_ONE = `SELECT admit_request($1::uuid, $2::text, $3::uuid, $4::uuid, $5::uuid, $6::text, $7::text, $8::boolean,
  $9::bigint, $10::bigint) AS room`;
const ADMIT_ONCE = ADMIT.replace('$11::bigint[])', '$11::bigint[], $12::text[])');

/** Longest time a request may wait for PostgreSQL's word, in milliseconds. */
const ADMISSION_TIMEOUT_MS = 3_000;

/**
 * Reserves before dispatch: one round trip for all requests that arrived while the last one was under way,
 * committed before anything is sent to vLLM.
 */
@Injectable()
export class AdmissionService {
  private readonly group: GroupCommit<AdmissionRequest, Verdict>;
  /** Users and idempotency keys that are being decided about here; what is admitted stands in PostgreSQL. */
  private readonly deciding = new Set<string>();
  private readonly patience = new TimeLimit(ADMISSION_TIMEOUT_MS);
  private stopped = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly settlements: SettlementService,
    private readonly process: ProcessIdentity,
    private readonly lease: ProcessLease,
    private readonly open: OpenRequests,
    private readonly strays: StrayRequests,
    private readonly spool: SettlementSpool,
    private readonly env: Env,
    private readonly metrics: Metrics,
  ) {
    this.group = new GroupCommit({
      commit: (batch) => againAfterDeadlocks(() => this.admit(batch)),
      maxBatch: 128,
      lanes: 1,
      isolates: isFaultOfOneItem,
      gather: GATHER,
    });
  }

  /**
   * @throws ApiException 503 when PostgreSQL does not answer within 3 s, or what a request costs could not be kept.
   * Whatever it throws, nothing is held in the end.
   */
  decide(request: AdmissionRequest): Promise<Verdict> {
    return request.idempotencyKey === null ? this.decideInTime(request) : this.decideOnce(request);
  }

  private async decideOnce(request: AdmissionRequest): Promise<Verdict> {
    const name = `${request.principal.userId} ${request.idempotencyKey}`;
    if (this.deciding.has(name)) return { kind: 'in_flight' };
    this.deciding.add(name);
    try {
      return await this.decideInTime(request);
    } finally {
      this.deciding.delete(name);
    }
  }

  private async decideInTime(request: AdmissionRequest): Promise<Verdict> {
    try {
      const decision = this.submit(request);
      const verdict = await this.patience.wait(decision);
      if (verdict === LATE) {
        this.giveUp(request, decision);
        throw new Error('PostgreSQL did not answer in time');
      }
      this.metrics.admitted(verdict.kind);
      return verdict;
    } catch (error) {
      this.metrics.admitted('unavailable');
      throw admissionUnavailable(error);
    }
  }

  /** How long requests wait at present before PostgreSQL is asked about them, in milliseconds. */
  get waitMs(): number {
    return this.group.waitMs;
  }

  /** How long one that comes now would have to wait, in milliseconds. */
  get expectedWaitMs(): number {
    return this.group.expectedWaitMs;
  }

  /** From now on everything is refused; what PostgreSQL is deciding about already may still be admitted. */
  stop(): void {
    this.stopped = true;
  }

  private async submit(request: AdmissionRequest): Promise<Verdict> {
    if (this.spool.isFull) throw new Error('the spool for settlements is full');
    // Taken for dead, it would have its new requests settled under its hands.
    if (!this.lease.isHeld && !(await this.lease.renew())) throw new Error('the lease ran out');
    // Last of all, with nothing awaited behind it: whoever has called stop() knows all that is open.
    if (this.stopped) throw new Error('the gateway is shutting down');
    this.open.begin(request.requestId);
    try {
      const verdict = await this.group.submit(request);
      if (verdict.kind !== 'admitted') this.open.end(request.requestId);
      return verdict;
    } catch (error) {
      this.open.end(request.requestId);
      // Another replica was quicker by less than a transaction.
      if (isKeyInUse(error)) return { kind: 'in_flight' };
      // It may have been committed all the same.
      this.strays.expect();
      throw error;
    }
  }

  /** The client has been refused; what the database may still grant must not stay reserved. */
  private giveUp(request: AdmissionRequest, decision: Promise<Verdict>): void {
    // Still in line: deciding now would be work for nobody, when there is too much of it already.
    if (this.group.withdraw(request)) return this.open.end(request.requestId);
    decision.then(
      (verdict) => (verdict.kind === 'admitted' ? this.settlements.settle(unused(request)) : undefined),
      () => undefined,
    );
  }

  private async admit(batch: readonly AdmissionRequest[]): Promise<Verdict[]> {
    const [first] = batch;
    if (batch.length === 1 && first && first.idempotencyKey === null) {
      const admitted = await this.admitOne(first);
      if (admitted) return [admitted];
    }
    const values = [
      this.process.id,
      this.env.LIMITS_TIME_ZONE,
      plainArray(batch.map((request) => request.requestId)),
      plainArray(batch.map((request) => request.principal.userId)),
      plainArray(batch.map((request) => request.principal.apiKeyId ?? null)),
      plainArray(batch.map((request) => request.endpoint)),
      batch.map((request) => request.model),
      plainArray(batch.map((request) => request.stream)),
      plainArray(batch.map((request) => request.promptBound)),
      plainArray(batch.map((request) => request.want)),
      plainArray(batch.map((request) => request.minimum)),
    ];
    const keys = batch.map((request) => request.idempotencyKey);
    const rows = keys.some((key) => key !== null)
      ? await this.statements.run<VerdictRow>('admit_requests_once', ADMIT_ONCE, [...values, keys])
      : await this.statements.run<VerdictRow>('admit_requests', ADMIT, values);
    return rows.map((row, index) => toVerdict(row, batch[index] as AdmissionRequest));
  }

  /** @returns null when nothing was done: the request is not of the usual kind, or will be refused */
  private async admitOne(request: AdmissionRequest): Promise<Verdict | null> {
    const [row] = await this.statements.run<{ room: Room | null }>('admit_request', ADMIT_ONE, [
      this.process.id,
      this.env.LIMITS_TIME_ZONE,
      request.requestId,
      request.principal.userId,
      request.principal.apiKeyId ?? null,
      request.endpoint,
      request.model,
      request.stream,
      request.promptBound,
      request.want,
    ]);
    return row?.room ? admittedInto(row.room, request.want) : null;
  }
}

function unused({ requestId, principal, endpoint, model, stream }: AdmissionRequest): Settlement {
  return {
    requestId,
    userId: principal.userId,
    apiKeyId: principal.apiKeyId ?? null,
    endpoint,
    model,
    stream,
    outcome: 'rejected',
    source: 'exact',
    status: 503,
    usage: NO_TOKENS,
    timeToFirstTokenMs: null,
    durationMs: ADMISSION_TIMEOUT_MS,
  };
}

function isKeyInUse(error: unknown): boolean {
  return error instanceof DatabaseError && error.constraint === 'open_requests_idempotency_key';
}
