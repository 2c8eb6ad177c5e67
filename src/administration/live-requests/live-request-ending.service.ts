import { Injectable, NotFoundException } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { Actor, AuditLog } from '../../auth/audit-log';
import { refuseFormerAdmin } from '../../users/former-admin';

interface Marked {
  readonly user_id: string;
  readonly key_id: string | null;
  readonly model: string;
  readonly endpoint: string;
}

const MARK = `
  UPDATE open_requests SET end_requested_at = clock_timestamp()
  WHERE request_id = $1 AND end_requested_at IS NULL
  RETURNING user_id, key_id, model, endpoint`;

/** Asks the process that runs a request to end it; that looks every few seconds (EndedRequests). */
@Injectable()
export class LiveRequestEnding {
  constructor(
    private readonly auditLog: AuditLog,
    private readonly dataSource: DataSource,
  ) {}

  /** Does nothing more when it is asked for a second time. @throws ApiException 403 when the role of the actor is gone */
  end(actor: Actor, requestId: string): Promise<void> {
    return this.dataSource.transaction(async (manager) => {
      await refuseFormerAdmin(actor, manager);
      const [[marked]] = await manager.query<[Marked[], number]>(MARK, [requestId]);
      if (!marked) return refuseUnknown(requestId, manager);
      await this.auditLog.record(
        {
          ...actor,
          action: 'request.ended',
          subject: 'request',
          subjectId: requestId,
          before: { ...marked, ending: false },
          after: { ...marked, ending: true },
        },
        manager,
      );
    });
  }
}

async function refuseUnknown(requestId: string, manager: EntityManager): Promise<void> {
  const known: unknown[] = await manager.query('SELECT 1 FROM open_requests WHERE request_id = $1', [
    requestId,
  ]);
  if (known.length === 0) throw new NotFoundException('There is no such request under way.');
}
