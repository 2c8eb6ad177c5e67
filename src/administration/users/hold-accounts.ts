import type { EntityManager } from 'typeorm';
import { User } from '../../users/user.entity';

/**
 * These users, held until the end of the transaction: all in one statement and in the order of their ids, as everybody
 * does who holds several, so that nobody waits for each other in a circle. Comes before any other lock.
 */
export function holdAccounts(manager: EntityManager, userIds: readonly string[]): Promise<User[]> {
  return manager
    .createQueryBuilder(User, 'u')
    .where('u.id = ANY (:userIds) AND u.deleted_at IS NULL', { userIds })
    .orderBy('u.id')
    .setLock('for_no_key_update')
    .getMany();
}

export function isActiveAdmin(user: User): boolean {
  return user.role === 'admin' && user.status === 'active';
}
