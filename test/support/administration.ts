import type { TestGateway, TestUser } from './gateway';
import { Answer, send, Sent } from './send';

/** Requests to /admin with an administrator's session. */
export function asAdmin(gateway: TestGateway, admin: TestUser) {
  return (path: string, sent: Sent = {}): Promise<Answer> =>
    send(`${gateway.url}/admin${path}`, { bearer: admin.accessToken, ...sent });
}

export interface AuditRow {
  readonly action: string;
  readonly actor_id: string | null;
  readonly subject_id: string;
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
  readonly request_id: string | null;
}

/** What the audit log tells of a subject, oldest first; but for its open registration, with which most users begin. */
export function auditOf(gateway: TestGateway, subjectId: string): Promise<AuditRow[]> {
  return gateway.dataSource.query(
    `SELECT action, actor_id, subject_id, before, after, request_id FROM audit_log WHERE subject_id = $1
     AND NOT (action = 'user.created' AND actor_id IS NOT DISTINCT FROM subject_id
       AND after ->> 'invitation_id' IS NULL)
     ORDER BY id`,
    [subjectId],
  );
}
