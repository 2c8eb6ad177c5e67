import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { UsersModule } from '../users/users.module';
import { AuditLogReader } from './audit-log/audit-log-reader.service';
import { AuditLogController } from './audit-log/audit-log.controller';
import { InvitationAdministration } from './invitations/invitation-administration.service';
import { InvitationDirectory } from './invitations/invitation-directory.service';
import { InvitationsController } from './invitations/invitations.controller';
import { AdminUsersController } from './users/admin-users.controller';
import { UserAccessController } from './users/user-access.controller';
import { UserAccess } from './users/user-access.service';
import { UserAdministration } from './users/user-administration.service';
import { UserDirectory } from './users/user-directory.service';

/** What administrators do with accounts. Limits are administered in `usage`, beside what they hold. */
@Module({
  imports: [UsersModule, AuthModule],
  controllers: [AdminUsersController, AuditLogController, InvitationsController, UserAccessController],
  providers: [
    AuditLogReader,
    InvitationAdministration,
    InvitationDirectory,
    UserAccess,
    UserAdministration,
    UserDirectory,
  ],
})
export class AdministrationModule {}
