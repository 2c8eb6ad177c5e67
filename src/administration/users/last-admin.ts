import { ApiException } from '../../common/api.exception';
import { isActiveAdmin } from '../../users/hold-accounts';
import type { User } from '../../users/user.entity';

/**
 * @param held with every active administrator, held until the end of the transaction
 * @throws ApiException 409 when this user is the only one
 */
export function refuseLastAdmin(held: readonly User[], user: User): void {
  if (!isActiveAdmin(user)) return;
  if (held.some((other) => other.id !== user.id && isActiveAdmin(other))) return;
  throw new ApiException({
    status: 409,
    code: 'last_admin',
    message: 'This is the last active administrator; make somebody else one first.',
  });
}
