export type Role = 'user' | 'admin';

/** Who calls. A session (JWT) manages; an API key only uses /v1: the two never stand in for each other. */
export interface Principal {
  readonly userId: string;
  readonly username: string;
  readonly role: Role;
  readonly via: 'session' | 'api_key';
  readonly sessionId?: string;
  readonly apiKeyId?: string;
  /** Public model names the key may use; null or absent: all. */
  readonly models?: readonly string[] | null;
}
