import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuthService } from '../../auth/auth.service';
import type { Client } from '../../auth/current-client.decorator';
import { UsageRecords } from '../../usage/usage-records.service';
import { UserAdministration } from '../users/user-administration.service';
import { UserDirectory } from '../users/user-directory.service';
import { accountParts } from './account-parts';
import type { DeleteAccount } from './dto/delete-account.dto';
import { jsonObject } from './json-stream';
import { redeemedInvitation } from './redeemed-invitation';

/** What people may do with their whole account, without an administrator. */
@Injectable()
export class OwnAccount {
  constructor(
    private readonly auth: AuthService,
    private readonly administration: UserAdministration,
    private readonly directory: UserDirectory,
    private readonly records: UsageRecords,
    private readonly dataSource: DataSource,
  ) {}

  /** An AccountExport as text, read while the client reads: neither memory nor a transaction holds it. */
  async export(userId: string): Promise<Readable> {
    const exportedAt = new Date().toISOString();
    // Before the answer begins: a failure so far is still a proper error.
    const profile = await this.directory.get(userId);
    const invitation = await redeemedInvitation(this.dataSource, userId);
    const lists = { ...accountParts(this.dataSource, userId), usage_records: this.records.pages(userId) };
    return Readable.from(jsonObject({ exported_at: exportedAt, profile, invitation }, lists), {
      objectMode: false,
    });
  }

  /** @throws ApiException 400 for a wrong password, 409 for the last active administrator */
  async delete(userId: string, { current_password: password }: DeleteAccount, client: Client): Promise<void> {
    await this.auth.confirmPassword(userId, password, client);
    const { address, requestId } = client;
    await this.administration.deleteOwn({ actorId: userId, address, requestId });
  }
}
