import type { INestApplicationContext } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiKeysService } from '../auth/api-keys/api-keys.service';
import { AuditLog } from '../auth/audit-log';
import { ApiException } from '../common/api.exception';
import type { Principal } from '../common/principal';
import { Env } from '../config/env';
import { UsersService } from '../users/users.service';
import { AdminCredentials, adminCredentials } from './admin-credentials';
import { StartupFailure } from './startup-failure';

/** What can be shown of a first admin once, and never again. */
export interface FirstAdmin extends AdminCredentials {
  readonly apiKey: string;
  readonly principal: Principal;
}

const DEFAULT_USERNAME = 'admin';
const KEY_NAME = 'first key';
/** Held while the first admin is made, so that replicas that start together make one. */
const FIRST_ADMIN_LOCK = '7311823310495028002';

/**
 * Makes an admin with one API key when there is none. An existing one is never touched.
 * @param keep called with what must not be lost, before the account becomes real
 * @returns null when there is an admin already
 */
export async function ensureFirstAdmin(
  app: INestApplicationContext,
  keep: (admin: FirstAdmin) => Promise<void>,
): Promise<FirstAdmin | null> {
  const dataSource = app.get(DataSource, { strict: false });
  if (await hasAdmin(dataSource.manager)) return null;
  const env = app.get(Env);
  const credentials = adminCredentials(env, env.ADMIN_USERNAME ?? DEFAULT_USERNAME);
  return dataSource.transaction(async (manager) => {
    // Others wait as long as one password hash and a few statements take.
    await manager.query('SELECT pg_advisory_xact_lock($1)', [FIRST_ADMIN_LOCK]);
    if (await hasAdmin(manager)) return null;
    const admin = await create(app, manager, credentials);
    await keep(admin);
    return admin;
  });
}

async function hasAdmin(manager: EntityManager): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    `SELECT 1 FROM users WHERE role = 'admin' AND deleted_at IS NULL LIMIT 1`,
  );
  return rows.length > 0;
}

async function create(
  app: INestApplicationContext,
  manager: EntityManager,
  credentials: AdminCredentials,
): Promise<FirstAdmin> {
  const { username, password } = credentials;
  const users = app.get(UsersService, { strict: false });
  try {
    const user = await users.create({ username, password, role: 'admin' }, manager);
    const { key } = await app
      .get(ApiKeysService, { strict: false })
      .mint(user.id, { name: KEY_NAME }, manager);
    await app.get(AuditLog, { strict: false }).record(
      {
        actorId: user.id,
        action: 'first_admin_created',
        subject: 'user',
        subjectId: user.id,
        after: { role: 'admin' },
      },
      manager,
    );
    const principal: Principal = { userId: user.id, username, role: 'admin', via: 'api_key' };
    return { ...credentials, apiKey: key, principal };
  } catch (error) {
    throw error instanceof ApiException && error.getStatus() === 409 ? nameTaken(username) : error;
  }
}

/** An ordinary account never becomes an admin's by a setting: whoever registered the name would have chosen it. */
function nameTaken(username: string): StartupFailure {
  return new StartupFailure(
    `There is no admin, and the name ${username} belongs to an ordinary account, which is not promoted: ` +
      'set ADMIN_USERNAME to another name.',
  );
}
