import type { EntityManager } from 'typeorm';
import { ApiException } from '../../common/api.exception';

/**
 * Holds every active administrator until the end of the transaction, so that of two changes that would each leave
 * the other one as the last, the second finds that out. Comes before any other lock of the transaction.
 * @returns their ids
 */
export async function holdActiveAdmins(manager: EntityManager): Promise<string[]> {
  const rows: { id: string }[] = await manager.query(
    `SELECT id FROM users WHERE role = 'admin' AND status = 'active' AND deleted_at IS NULL
     ORDER BY id FOR NO KEY UPDATE`,
  );
  return rows.map(({ id }) => id);
}

/** @throws ApiException 409 when nobody but this user is an active administrator */
export function refuseLastAdmin(activeAdmins: readonly string[], userId: string): void {
  if (activeAdmins.some((id) => id !== userId)) return;
  throw new ApiException({
    status: 409,
    code: 'last_admin',
    message: 'This is the last active administrator; make somebody else one first.',
  });
}
