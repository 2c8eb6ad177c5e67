import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Env } from '../config/env';

/** The keys of the credentials. Start-up has filled in generated secrets before this is made. */
@Injectable()
export class AuthSecrets {
  readonly accessTokenKey: string;
  readonly refreshTokenKey: Buffer;
  readonly apiKeyPepper: string;

  constructor(env: Env) {
    this.accessTokenKey = required(env.JWT_SECRET, 'JWT_SECRET');
    this.refreshTokenKey = Buffer.from(hkdfSync('sha256', this.accessTokenKey, '', 'refresh-token', 32));
    this.apiKeyPepper = required(env.API_KEY_PEPPER, 'API_KEY_PEPPER');
  }
}

function required(secret: string | undefined, name: string): string {
  if (!secret) throw new Error(`${name} is not set`);
  return secret;
}
