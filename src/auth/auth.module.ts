import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { UnknownParametersGuard } from '../http/unknown-parameters.guard';
import { UsersModule } from '../users/users.module';
import { AccessTokens } from './access-tokens.service';
import { ApiKeyAuthenticator } from './api-keys/api-key-authenticator';
import { ApiKeyRotation } from './api-keys/api-key-rotation.service';
import { ApiKeyUse } from './api-keys/api-key-use';
import { ApiKey } from './api-keys/api-key.entity';
import { ApiKeysController } from './api-keys/api-keys.controller';
import { ApiKeysService } from './api-keys/api-keys.service';
import { ApiKeyStrategy } from './api-key.strategy';
import { AuditLog } from './audit-log';
import { AuthSecrets } from './auth-secrets';
import { AuthController } from './auth.controller';
import { AuthService } from './auth.service';
import { AuthenticationGuard } from './authentication.guard';
import { ChangeThrottleGuard } from './changes/change-throttle.guard';
import { ChangeThrottle } from './changes/change-throttle.service';
import { Invitations } from './invitations/invitations.service';
import { JwtStrategy } from './jwt.strategy';
import { PasswordResetController } from './password-reset/password-reset.controller';
import { PasswordResets } from './password-reset/password-resets.service';
import { RefreshService } from './refresh.service';
import { RegistrationService } from './registration.service';
import { RolesGuard } from './roles.guard';
import { Session } from './session.entity';
import { SessionsController } from './sessions.controller';
import { SessionsService } from './sessions.service';
import { ThrottleService } from './throttle.service';

/** Who calls: guards every route of the application with the two kinds of credential. */
@Module({
  imports: [UsersModule, PassportModule, JwtModule.register({}), TypeOrmModule.forFeature([Session, ApiKey])],
  controllers: [AuthController, PasswordResetController, SessionsController, ApiKeysController],
  providers: [
    AccessTokens,
    ApiKeyAuthenticator,
    ApiKeyRotation,
    ApiKeyStrategy,
    ApiKeyUse,
    ApiKeysService,
    AuditLog,
    AuthSecrets,
    AuthService,
    ChangeThrottle,
    Invitations,
    JwtStrategy,
    PasswordResets,
    RefreshService,
    RegistrationService,
    SessionsService,
    ThrottleService,
    // In this order: first who calls, then whether they may, then whether it is too much, then what they ask for.
    { provide: APP_GUARD, useClass: AuthenticationGuard },
    { provide: APP_GUARD, useClass: RolesGuard },
    { provide: APP_GUARD, useClass: ChangeThrottleGuard },
    { provide: APP_GUARD, useClass: UnknownParametersGuard },
  ],
  exports: [ApiKeysService, AuditLog, AuthService, Invitations, PasswordResets, SessionsService],
})
export class AuthModule {}
