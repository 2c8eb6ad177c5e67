import { SetMetadata } from '@nestjs/common';
import type { Role } from './principal';

/** Which credential a route takes. Without a decorator a route takes a session (JWT): nothing is open by default. */
export type Access = 'session' | 'api_key' | 'session_or_api_key' | 'public';

export const ACCESS = 'access';
export const ROLES = 'roles';

/** No credential at all. Every use is listed in the access test. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** An API key, as `Authorization: Bearer` or `x-api-key`; a session's token is refused. */
export const ApiKeyOnly = () => SetMetadata(ACCESS, 'api_key' satisfies Access);

/** Either of the two: for what tells a caller about themselves and changes nothing. */
export const SessionOrApiKey = () => SetMetadata(ACCESS, 'session_or_api_key' satisfies Access);

/** Only sessions of users with one of these roles; others get 403. */
export const Roles = (...roles: Role[]) => SetMetadata(ROLES, roles);
