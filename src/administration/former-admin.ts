import type { EntityManager } from 'typeorm';
import type { Actor } from '../auth/audit-log';
import { ApiException } from '../common/api.exception';

/**
 * Keeps the role of whoever acts until the end of the transaction. The lock waits for whoever takes it away just now,
 * and with it all that its owner handed out.
 * @throws ApiException 403 when it is gone
 */
export async function refuseFormerAdmin({ actorId }: Actor, manager: EntityManager): Promise<void> {
  const rows: unknown[] = await manager.query(
    `SELECT 1 FROM users WHERE id = $1 AND role = 'admin' AND status = 'active' AND deleted_at IS NULL FOR SHARE`,
    [actorId],
  );
  if (rows.length === 0) throw noLongerAdmin();
}

/** What the guard says, for a role that went while the request was on its way. */
export function noLongerAdmin(): ApiException {
  return new ApiException({ status: 403, code: 'forbidden', message: 'This needs the role admin.' });
}
