import { createHash } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { usernameKey } from '../users/username';

/** What stands beside the wrong passwords of one account, whatever address they came from; for names of nobody, too. */
export function accountOfPasswords(username: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(['account', usernameKey(username)]))
    .digest();
}

/**
 * For a user with a new password, held by `manager`'s transaction: what was guessed of the old one keeps nobody out any
 * more, from no address. What an address tried of other accounts, and of all together, stays counted.
 */
export async function forgetWrongPasswords(username: string, manager: EntityManager): Promise<void> {
  await manager.query('DELETE FROM login_throttles WHERE account = $1', [accountOfPasswords(username)]);
}
