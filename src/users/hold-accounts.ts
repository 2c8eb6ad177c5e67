import type { EntityManager } from 'typeorm';
import { User } from './user.entity';

const IS_ACTIVE_ADMIN = `u.role = 'admin' AND u.status = 'active'`;

/**
 * These users, held until the end of the transaction: all in one statement and in the order of their ids, as everybody
 * does who holds several, so that nobody waits for each other in a circle. Comes before any other lock.
 */
export function holdAccounts(manager: EntityManager, userIds: readonly string[]): Promise<User[]> {
  return hold(manager, 'u.id = ANY (:userIds)', userIds);
}

/**
 * The same with every active administrator, so that of two changes that would each leave the other one as the last, the
 * second finds that out.
 */
export function holdAccountsAndAdmins(manager: EntityManager, userIds: readonly string[]): Promise<User[]> {
  return hold(manager, `(u.id = ANY (:userIds) OR ${IS_ACTIVE_ADMIN})`, userIds);
}

export function isActiveAdmin(user: User): boolean {
  return user.role === 'admin' && user.status === 'active';
}

function hold(manager: EntityManager, which: string, userIds: readonly string[]): Promise<User[]> {
  return manager
    .createQueryBuilder(User, 'u')
    .where(`${which} AND u.deleted_at IS NULL`, { userIds })
    .orderBy('u.id')
    .setLock('for_no_key_update')
    .getMany();
}
