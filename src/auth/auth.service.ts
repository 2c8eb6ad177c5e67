import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiException } from '../common/api.exception';
import type { Principal } from '../common/principal';
import { StrangersConnections } from '../database/strangers-connections';
import type { User } from '../users/user.entity';
import { usernameKey } from '../users/username';
import { UsersService } from '../users/users.service';
import { AccessTokens } from './access-tokens.service';
import { addressPrefix } from './address-prefix';
import { AuditLog } from './audit-log';
import { sessionTokenInvalid } from './authentication.failures';
import { ChangeThrottle } from './changes/change-throttle.service';
import type { Client } from './current-client.decorator';
import type { ChangePassword } from './dto/change-password.dto';
import type { RefreshRequest, TokenRequest, TokenResponse } from './dto/token.dto';
import { PasswordResets } from './password-reset/password-resets.service';
import { RefreshService } from './refresh.service';
import { OpenedSession, SessionsService } from './sessions.service';
import { ThrottleService } from './throttle.service';
import { Turns } from './turns';
import { forgetWrongPasswords } from './wrong-passwords';

/** Passwords and refresh tokens in, tokens out. */
@Injectable()
export class AuthService {
  private readonly turns = new Turns();

  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly refreshing: RefreshService,
    private readonly accessTokens: AccessTokens,
    private readonly passwordResets: PasswordResets,
    private readonly throttle: ThrottleService,
    private readonly changes: ChangeThrottle,
    private readonly auditLog: AuditLog,
    private readonly strangers: StrangersConnections,
    private readonly dataSource: DataSource,
  ) {}

  token(request: TokenRequest, client: Client): Promise<TokenResponse> {
    const { username = '', password = '', refresh_token = '' } = request;
    const grant = request.grant_type ?? 'password';
    if (grant === 'password') return this.logIn(username, password, client);
    if (grant === 'refresh_token') return this.exchange(refresh_token, client);
    throw unsupportedGrantType('grant_type must be password or refresh_token.');
  }

  refresh({ grant_type, refresh_token }: RefreshRequest, client: Client): Promise<TokenResponse> {
    if ((grant_type ?? 'refresh_token') === 'refresh_token') return this.exchange(refresh_token, client);
    throw unsupportedGrantType('grant_type must be refresh_token here; POST /auth/token takes others.');
  }

  /**
   * That whoever has the session is the user, for what a session alone may not do. Failures count as failed logins.
   * @throws ApiException 400 for a wrong password, 429 after too many, 401 when the account has been deleted meanwhile
   */
  async confirmPassword(userId: string, password: string, client: Client): Promise<User> {
    const user = await this.users.findById(userId);
    if (!user) throw sessionTokenInvalid();
    const owner = await this.checkPassword(user.username, client, async () =>
      (await this.users.hasPassword(user, password)) ? user : null,
    );
    if (!owner) throw wrongPassword();
    return owner;
  }

  /** Changes the password and ends the user's other sessions. */
  async changePassword(principal: Principal, dto: ChangePassword, client: Client): Promise<void> {
    const user = await this.confirmPassword(principal.userId, dto.current_password, client);
    if (dto.new_password === dto.current_password) throw samePassword();
    await this.changes.count('with the password', user);
    const passwordHash = await this.users.hashNewPassword(user, dto.new_password);
    await this.dataSource.transaction(async (manager) => {
      // Another change, a reset or the end of the account may have come first.
      const held = await this.users.hold(user.id, manager);
      if (held?.passwordHash !== user.passwordHash) throw wrongPassword();
      await this.users.setPasswordHash(user.id, passwordHash, manager);
      await forgetWrongPasswords(user.username, manager);
      await this.sessions.endAll(
        user.id,
        { reason: 'password_changed', except: principal.sessionId },
        manager,
      );
      await this.passwordResets.withdraw(user.id, manager);
      await this.auditLog.record(
        {
          actorId: user.id,
          action: 'password_changed',
          subject: 'user',
          subjectId: user.id,
          address: client.address,
          requestId: client.requestId,
        },
        manager,
      );
    });
  }

  private async exchange(refreshToken: string, client: Client): Promise<TokenResponse> {
    const refreshed = await this.refreshing.refresh(refreshToken, client);
    if (!refreshed) throw invalidGrant('This refresh token is not valid (any more): log in again.');
    return this.answer(refreshed.userId, refreshed.sessionId, refreshed.refreshToken);
  }

  private async logIn(username: string, password: string, client: Client): Promise<TokenResponse> {
    const user = await this.checkPassword(username, client, () =>
      this.users.verifyCredentials(username, password),
    );
    const session = user && (await this.strangers.run(() => this.open(user, client)));
    if (!user || !session) throw invalidGrant('The username or the password is wrong.');
    return this.answer(user.id, session.id, session.refreshToken);
  }

  private async open(user: User, client: Client): Promise<OpenedSession | null> {
    await this.changes.count('with the password', user);
    return this.sessions.open(user, client);
  }

  /**
   * Counts what fails, by account and address; whoever gets through starts from zero. What is answered is decided when the
   * password has been looked at: of guesses that other replicas take at the same time, those beyond the count learn nothing,
   * and the right one among them is refused as well.
   */
  private checkPassword(
    username: string,
    client: Client,
    check: () => Promise<User | null>,
  ): Promise<User | null> {
    const buckets = this.throttle.loginBuckets(username, client.address);
    // By what the bucket counts as one address: else guesses from a /64 are hashed beside each other.
    return this.turns.take(`${usernameKey(username)}\n${addressPrefix(client.address)}`, async () => {
      await this.throttle.check(buckets);
      const user = await check();
      if (user) await this.throttle.clear(buckets);
      else await this.throttle.count(buckets);
      return user;
    });
  }

  private async answer(userId: string, sessionId: string, refreshToken: string): Promise<TokenResponse> {
    return {
      access_token: await this.accessTokens.sign(userId, sessionId),
      token_type: 'bearer',
      expires_in: this.accessTokens.lifetimeSeconds,
      refresh_token: refreshToken,
    };
  }
}

function unsupportedGrantType(message: string): ApiException {
  return new ApiException({ status: 400, code: 'unsupported_grant_type', message, param: 'grant_type' });
}

function invalidGrant(message: string): ApiException {
  return new ApiException({
    status: 401,
    code: 'invalid_grant',
    message,
    headers: { 'www-authenticate': 'Bearer realm="llm-user-management-api"' },
  });
}

/** Whoever believes it changed would go on with one that somebody else may know. */
function samePassword(): ApiException {
  return new ApiException({
    status: 400,
    code: 'weak_password',
    message: 'new_password must differ from the current password',
    param: 'new_password',
  });
}

function wrongPassword(): ApiException {
  return new ApiException({
    status: 400,
    code: 'wrong_password',
    message: 'current_password is not the password of this account.',
    param: 'current_password',
  });
}
