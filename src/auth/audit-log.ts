import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import type { AuditAction, AuditSubject } from './audit-actions';

/** Who acts, and in which request. */
export interface Actor {
  /** Null: whoever has the server's command line. */
  readonly actorId: string | null;
  readonly address?: string;
  readonly requestId?: string;
}

/**
 * What happened. Rows are for ever, so they name people by their ids alone: names, addresses of theirs and the like
 * stay out of before and after.
 */
export interface AuditEvent extends Actor {
  readonly action: AuditAction;
  readonly subject: AuditSubject;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

export interface AuditEntry extends AuditEvent {
  readonly subjectId: string;
}

/** Appends to the audit log, in the transaction of what it tells of. */
@Injectable()
export class AuditLog {
  constructor(private readonly dataSource: DataSource) {}

  record(entry: AuditEntry, manager: EntityManager = this.dataSource.manager): Promise<void> {
    return this.recordEach(entry, [entry.subjectId], manager);
  }

  /** The same of several subjects, a row for each. */
  async recordEach(event: AuditEvent, subjectIds: readonly string[], manager: EntityManager): Promise<void> {
    await manager.query(
      `INSERT INTO audit_log (actor_id, action, subject, subject_id, before, after, address, request_id)
       SELECT $1::uuid, $2, $3, subject_id, $5::jsonb, $6::jsonb, $7, $8::uuid FROM unnest($4::uuid[]) AS s (subject_id)`,
      [
        event.actorId,
        event.action,
        event.subject,
        subjectIds,
        event.before ?? null,
        event.after ?? null,
        event.address ?? null,
        event.requestId ?? null,
      ],
    );
  }
}
