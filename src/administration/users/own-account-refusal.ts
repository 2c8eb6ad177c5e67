import type { Actor } from '../../auth/audit-log';
import { ApiException } from '../../common/api.exception';

/**
 * For what one's own account needs the password for: whoever finds an administrator's open browser must not do it by
 * the way of administration.
 * @param instead the route that asks for the password, and what it does
 * @throws ApiException 409
 */
export function refuseOwnAccount({ actorId }: Actor, userId: string, instead: string): void {
  // Paths may write an id in capitals; PostgreSQL does not.
  if (actorId !== userId.toLowerCase()) return;
  throw new ApiException({
    status: 409,
    code: 'own_account',
    message: `This is your own account: ${instead}, with your current password.`,
  });
}
