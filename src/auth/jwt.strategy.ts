import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { IncomingMessage } from 'node:http';
import type { Jwt } from 'jsonwebtoken';
import { Strategy } from 'passport-jwt';
import type { Principal } from '../common/principal';
import { orUnavailable } from '../database/database-unavailable';
import {
  ACCESS_TOKEN_ALGORITHM,
  ACCESS_TOKEN_AUDIENCE,
  ACCESS_TOKEN_ISSUER,
  accessClaims,
} from './access-token';
import { AuthSecrets } from './auth-secrets';
import { readCredential } from './credential';
import { SessionsService } from './sessions.service';

/** Access token → principal. The session and the user are looked up each time: ending one works at once. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    secrets: AuthSecrets,
    private readonly sessions: SessionsService,
  ) {
    super({
      jwtFromRequest: (request: IncomingMessage) => readCredential(request)?.token ?? null,
      secretOrKey: secrets.accessTokenKey,
      algorithms: [ACCESS_TOKEN_ALGORITHM],
      issuer: ACCESS_TOKEN_ISSUER,
      audience: ACCESS_TOKEN_AUDIENCE,
      // `complete` hands over the header too, for its `typ`.
      jsonWebTokenOptions: { complete: true },
    });
  }

  async validate(token: Jwt): Promise<Principal | null> {
    const claims = accessClaims(token);
    return claims && orUnavailable(this.sessions.principalOf(claims.sessionId, claims.userId));
  }
}
