import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Env } from '../config/env';
import {
  ACCESS_TOKEN_ALGORITHM,
  ACCESS_TOKEN_AUDIENCE,
  ACCESS_TOKEN_ISSUER,
  ACCESS_TOKEN_TYPE,
} from './access-token';
import { AuthSecrets } from './auth-secrets';

/** Signs access tokens. They name a user and a session, nothing else: rights are looked up at each request. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly secrets: AuthSecrets,
    private readonly env: Env,
  ) {}

  get lifetimeSeconds(): number {
    return this.env.ACCESS_TOKEN_SECONDS;
  }

  sign(userId: string, sessionId: string): Promise<string> {
    return this.jwt.signAsync(
      { sid: sessionId },
      {
        secret: this.secrets.accessTokenKey,
        algorithm: ACCESS_TOKEN_ALGORITHM,
        header: { alg: ACCESS_TOKEN_ALGORITHM, typ: ACCESS_TOKEN_TYPE },
        issuer: ACCESS_TOKEN_ISSUER,
        audience: ACCESS_TOKEN_AUDIENCE,
        subject: userId,
        jwtid: randomUUID(),
        expiresIn: this.lifetimeSeconds,
      },
    );
  }
}
