import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import type { Principal } from '../common/principal';
import { ApiKeyAuthenticator } from './api-keys/api-key-authenticator';

/** API key → principal, and nothing else: counting belongs to admission. */
@Injectable()
export class ApiKeyStrategy extends PassportStrategy(HeaderAPIKeyStrategy, 'headerapikey') {
  constructor(private readonly apiKeys: ApiKeyAuthenticator) {
    super({ header: 'Authorization', prefix: 'Bearer ' }, false);
  }

  /** Synchronous when the key is known already; null when it is not (or no longer) valid. */
  validate(key: string): Principal | null | Promise<Principal | null> {
    return this.apiKeys.authenticate(key);
  }
}
