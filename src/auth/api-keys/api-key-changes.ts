import type { AuditEntry } from '../audit-log';
import type { ApiKey } from './api-key.entity';
import type { ChangeApiKey } from './dto/change-api-key.dto';

export type KeyChanges = Partial<Pick<ApiKey, 'name' | 'expiresAt' | 'models'>>;

/** What of a change is another value than before. */
export function changed(key: ApiKey, { name, expires_at, models }: ChangeApiKey): KeyChanges {
  const expiresAt = typeof expires_at === 'string' ? new Date(expires_at) : expires_at;
  return {
    ...(name === undefined || name === key.name ? {} : { name }),
    ...(expiresAt === undefined || expiresAt?.getTime() === key.expiresAt?.getTime() ? {} : { expiresAt }),
    ...(models === undefined || JSON.stringify(models) === JSON.stringify(key.models) ? {} : { models }),
  };
}

/** For the audit log: what the key may do, and whether its name has changed; the name itself is its owner's. */
export function accessOf(key: ApiKey, after: KeyChanges): Pick<AuditEntry, 'before' | 'after'> {
  return {
    before: { expires_at: key.expiresAt, models: key.models },
    after: {
      expires_at: after.expiresAt === undefined ? key.expiresAt : after.expiresAt,
      models: after.models === undefined ? key.models : after.models,
      ...(after.name === undefined ? {} : { also_changed: ['name'] }),
    },
  };
}
