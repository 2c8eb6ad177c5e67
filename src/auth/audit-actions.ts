/** All that is ever written to the audit log as an action, and what old rows have: a filter knows no others. */
export const AUDIT_ACTIONS = [
  'first_admin_created',
  'invitation.created',
  'invitation.revoked',
  'invitation.used',
  'key.changed',
  'key.created',
  'key.limit_removed',
  'key.limit_set',
  'key.overlap_ended',
  'key.revoked',
  'key.rotated',
  'limit.change_default',
  'limit.delete',
  'limit.end_raise',
  'limit.put',
  'limit.put_default',
  'limit.raise',
  'password_changed',
  'refresh_reuse',
  'request.ended',
  'token_limit.set_cap',
  'token_limit.set_own',
  'user.admin_reset',
  'user.api_keys_revoked',
  'user.changed',
  'user.created',
  'user.deleted',
  'user.password_reset_issued',
  'user.password_reset_revoked',
  'user.password_reset_used',
  'user.sessions_ended',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** What kind of thing it was done to. */
export const AUDIT_SUBJECTS = ['everyone', 'invitation', 'key', 'request', 'session', 'user'] as const;
export type AuditSubject = (typeof AUDIT_SUBJECTS)[number];
