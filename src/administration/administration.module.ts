import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { UsageModule } from '../usage/usage.module';
import { UsersModule } from '../users/users.module';
import { AuditLogReader } from './audit-log/audit-log-reader.service';
import { AuditLogController } from './audit-log/audit-log.controller';
import { InvitationAdministration } from './invitations/invitation-administration.service';
import { InvitationDirectory } from './invitations/invitation-directory.service';
import { InvitationsController } from './invitations/invitations.controller';
import { OwnAccountController } from './own-account/own-account.controller';
import { OwnAccount } from './own-account/own-account.service';
import { LiveRequestEnding } from './live-requests/live-request-ending.service';
import { LiveRequestList } from './live-requests/live-request-list.service';
import { LiveRequestsController } from './live-requests/live-requests.controller';
import { AdminUsageController } from './usage/admin-usage.controller';
import { AllUsageRecords } from './usage/all-usage-records.service';
import { ReportParts } from './usage/report-parts.service';
import { UsageReports } from './usage/usage-reports.service';
import { UserUsageController } from './usage/user-usage.controller';
import { AdminUsersController } from './users/admin-users.controller';
import { UserAccessController } from './users/user-access.controller';
import { UserAccess } from './users/user-access.service';
import { UserAdministration } from './users/user-administration.service';
import { UserDirectory } from './users/user-directory.service';

/**
 * What is done with whole accounts, by administrators and by their owners. Limits are administered in `usage`, beside
 * what they hold.
 */
@Module({
  imports: [UsersModule, AuthModule, UsageModule],
  controllers: [
    AdminUsageController,
    AdminUsersController,
    AuditLogController,
    InvitationsController,
    LiveRequestsController,
    OwnAccountController,
    UserAccessController,
    UserUsageController,
  ],
  providers: [
    AllUsageRecords,
    AuditLogReader,
    InvitationAdministration,
    InvitationDirectory,
    LiveRequestEnding,
    LiveRequestList,
    OwnAccount,
    UserAccess,
    UserAdministration,
    UserDirectory,
    ReportParts,
    UsageReports,
  ],
})
export class AdministrationModule {}
