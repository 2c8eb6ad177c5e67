import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import passport from 'passport';
import { ACCESS, Access } from '../common/access.decorator';
import type { Principal } from '../common/principal';
import { requestContext } from '../common/request-context';
import { ApiKeyStrategy } from './api-key.strategy';
import {
  apiKeyInvalid,
  apiKeyMissing,
  credentialMissing,
  sessionTokenExpired,
  sessionTokenInvalid,
  sessionTokenMissing,
  takesApiKey,
  takesSession,
  takesSessionForChats,
} from './authentication.failures';
import { looksLikeApiKey } from './api-keys/api-key-token';
import { Credential, readCredential } from './credential';
import { JwtStrategy } from './jwt.strategy';

const CHATS = /^\/chat\//i;
const LOOKS_LIKE_JWT = /^[^.]+\.[^.]+\.[^.]*$/;

/** Every route takes a session unless it says otherwise; a request without an identity never passes as somebody. */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeyStrategy,
    private readonly sessions: JwtStrategy,
  ) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const access =
      this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
        context.getHandler(),
        context.getClass(),
      ]) ?? 'session';
    if (access === 'public') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const credential = readCredential(request);
    if (access === 'session_or_api_key' && !credential) throw credentialMissing();
    if (access === 'api_key' || (access === 'session_or_api_key' && isMeantAsApiKey(credential))) {
      return this.admitApiKey(request, credential);
    }
    return this.admitSession(request, http.getResponse<Response>(), credential);
  }

  // Without passport's middleware, and synchronous for a known key: this is on the path of every generation.
  private admitApiKey(request: Request, credential: Credential | null): true | Promise<true> {
    if (!credential) throw apiKeyMissing();
    if (LOOKS_LIKE_JWT.test(credential.token)) throw takesApiKey();
    const found = this.apiKeys.validate(credential.token);
    return found instanceof Promise
      ? found.then((principal) => admitted(request, principal, apiKeyInvalid))
      : admitted(request, found, apiKeyInvalid);
  }

  private async admitSession(
    request: Request,
    response: Response,
    credential: Credential | null,
  ): Promise<true> {
    if (!credential) throw sessionTokenMissing();
    if (looksLikeApiKey(credential.token)) {
      if (!(await this.apiKeys.validate(credential.token))) throw apiKeyInvalid();
      throw CHATS.test(request.path) ? takesSessionForChats() : takesSession();
    }
    if (credential.header === 'x-api-key') throw sessionTokenMissing();
    return admitted(request, await this.sessionPrincipal(request, response), sessionTokenInvalid);
  }

  private sessionPrincipal(request: Request, response: Response): Promise<Principal | null> {
    return new Promise((resolve, reject) => {
      // Not by name: passport's register is shared by all applications of a process. And a fresh object for each
      // request: passport writes this request's callbacks onto it, so sharing it would mix up identities.
      const strategy = Object.create(this.sessions) as JwtStrategy;
      passport.authenticate(
        strategy,
        { session: false },
        (error: unknown, principal: Principal | false | null, info: unknown) => {
          if (error) reject(error);
          else if (principal) resolve(principal);
          else if (info instanceof Error && info.name === 'TokenExpiredError') reject(sessionTokenExpired());
          else resolve(null);
        },
      )(request, response, reject);
    });
  }
}

function isMeantAsApiKey(credential: Credential | null): boolean {
  return credential !== null && looksLikeApiKey(credential.token);
}

function admitted(request: Request, principal: Principal | null, refusal: () => Error): true {
  if (!principal) throw refusal();
  request.user = principal;
  const context = requestContext(request);
  context.userId = principal.userId;
  context.apiKeyId = principal.apiKeyId;
  return true;
}
