import type { EntityManager } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { isActiveAdmin } from './hold-accounts';
import type { User } from './user.entity';

/** Null: whoever has the server's command line. */
interface Acting {
  readonly actorId: string | null;
}

/**
 * Keeps the role of whoever acts until the end of the transaction. The lock waits for whoever takes it away just now,
 * and with it all that its owner handed out. Comes before any other lock; who holds other accounts as well holds the
 * actor with them (holdAccounts) and asks requireHeldAdmin.
 * @throws ApiException 403 when it is gone
 */
export async function refuseFormerAdmin({ actorId }: Acting, manager: EntityManager): Promise<void> {
  const rows: unknown[] = await manager.query(
    `SELECT 1 FROM users WHERE id = $1 AND role = 'admin' AND status = 'active' AND deleted_at IS NULL FOR SHARE`,
    [actorId],
  );
  if (rows.length === 0) throw noLongerAdmin();
}

/** Whoever takes the role away holds the actor, too: what comes after that is refused. */
export function requireHeldAdmin(held: readonly User[], { actorId }: Acting): void {
  if (!held.some((user) => user.id === actorId && isActiveAdmin(user))) throw noLongerAdmin();
}

export const withActor = (userIds: readonly string[], { actorId }: Acting): string[] =>
  actorId === null ? [...userIds] : [...userIds, actorId];

/** What the guard says, for a role that went while the request was on its way. */
export function noLongerAdmin(): ApiException {
  return new ApiException({ status: 403, code: 'forbidden', message: 'This needs the role admin.' });
}
