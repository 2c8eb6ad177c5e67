import { randomBytes } from 'node:crypto';
import type { Env } from '../config/env';
import { passwordFault } from '../users/password-rules';
import { isUsername } from '../users/username';
import { StartupFailure } from './startup-failure';

/** What an administrator who is made at the server logs in with. */
export interface AdminCredentials {
  readonly username: string;
  readonly password: string;
  /** False when ADMIN_PASSWORD chose it. */
  readonly passwordGenerated: boolean;
}

/** 16 random bytes: 22 characters of base64url. */
const PASSWORD_BYTES = 16;

/** @throws StartupFailure when the name, or ADMIN_PASSWORD, breaks the rules of every account */
export function adminCredentials(env: Env, username: string, nameOfIt = 'ADMIN_USERNAME'): AdminCredentials {
  if (!isUsername(username)) {
    throw new StartupFailure(
      `${nameOfIt} must be 1 to 128 characters without spaces or any of " ( ) , : ; < > [ ] \\.`,
    );
  }
  const { ADMIN_PASSWORD: chosen } = env;
  const fault = chosen === undefined ? null : passwordFault(chosen, { minimum: env.PASSWORD_MIN, username });
  if (fault) throw new StartupFailure(`ADMIN_PASSWORD ${fault}.`);
  return {
    username,
    password: chosen ?? randomBytes(PASSWORD_BYTES).toString('base64url'),
    passwordGenerated: chosen === undefined,
  };
}
