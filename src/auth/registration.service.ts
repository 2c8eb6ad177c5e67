import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { Env } from '../config/env';
import { UserProfiles } from '../users/user-profiles';
import { usernameKey } from '../users/username';
import { UsersService } from '../users/users.service';
import { ApiKeysService } from './api-keys/api-keys.service';
import type { Client } from './current-client.decorator';
import type { Register, RegisteredResponse } from './dto/register.dto';
import { ThrottleService } from './throttle.service';
import { Turns } from './turns';

const FIRST_KEY_NAME = 'first key';

@Injectable()
export class RegistrationService {
  private readonly turns = new Turns();

  constructor(
    private readonly users: UsersService,
    private readonly profiles: UserProfiles,
    private readonly apiKeys: ApiKeysService,
    private readonly throttle: ThrottleService,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** An account, its limits and its first key: all or nothing. */
  async register(dto: Register, client: Client): Promise<RegisteredResponse> {
    this.refuseUnlessOpen();
    const buckets = this.throttle.registrationBuckets(client.address);
    await this.throttle.check(buckets);
    await this.throttle.count(buckets);
    const { userId, key } = await this.turns.take(usernameKey(dto.username), () => this.createAccount(dto));
    return { ...(await this.profiles.get(userId)), api_key: key };
  }

  private async createAccount({ username, password, email, name, token_limit: tokenLimit }: Register) {
    const prepared = await this.users.prepare({ username, password, email, name, tokenLimit });
    return this.dataSource.transaction(async (manager) => {
      const user = await this.users.insert(prepared, manager);
      const { key } = await this.apiKeys.mint(user.id, { name: FIRST_KEY_NAME }, manager);
      return { userId: user.id, key };
    });
  }

  private refuseUnlessOpen(): void {
    const mode = this.env.registration;
    if (mode === 'open') return;
    throw new ApiException({
      status: 403,
      code: mode === 'closed' ? 'registration_closed' : 'invitation_required',
      message:
        mode === 'closed'
          ? 'Registration is closed here; ask an administrator for an account.'
          : 'Registration needs a valid invitation here; ask an administrator for one.',
    });
  }
}
