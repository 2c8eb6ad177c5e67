import { ApiException } from '../../common/api.exception';
import { isActiveAdmin } from '../../users/hold-accounts';
import type { User } from '../../users/user.entity';

/** One without a password has never logged in, and may not be able to: whoever is demoted takes the links they made along. */
const canLogIn = (user: User): boolean => isActiveAdmin(user) && user.passwordHash !== null;

/**
 * @param held with every active administrator, held until the end of the transaction
 * @throws ApiException 409 when this user is the only one who can log in
 */
export function refuseLastAdmin(held: readonly User[], user: User): void {
  if (!isActiveAdmin(user)) return;
  if (held.some((other) => other.id !== user.id && canLogIn(other))) return;
  throw new ApiException({
    status: 409,
    code: 'last_admin',
    message: 'This is the last active administrator who has a password; make somebody else one first.',
  });
}
