import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { ApiException } from '../common/api.exception';
import { Env } from '../config/env';
import { StrangersConnections } from '../database/strangers-connections';
import { User } from '../users/user.entity';
import { UserProfiles } from '../users/user-profiles';
import { usernameKey } from '../users/username';
import { UsersService } from '../users/users.service';
import { ApiKeysService } from './api-keys/api-keys.service';
import { AuditLog } from './audit-log';
import type { Client } from './current-client.decorator';
import type { CheckInvitation, Register, RegisteredResponse } from './dto/register.dto';
import { Invitation, invitationRequired, Invitations } from './invitations/invitations.service';
import { oneTimeTokenHash } from './one-time-token';
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
    private readonly invitations: Invitations,
    private readonly auditLog: AuditLog,
    private readonly throttle: ThrottleService,
    private readonly strangers: StrangersConnections,
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** An account, its limits and its first key, and the end of its invitation: all or nothing. */
  async register(dto: Register, client: Client): Promise<RegisteredResponse> {
    this.refuseUnlessOpen(dto);
    await this.throttle.count(this.throttle.registrationBuckets(client.address));
    const { userId, key } = await this.inTurn(dto, () => this.createAccount(dto, client));
    const profile = await this.strangers.run(() => this.profiles.get(userId));
    return { ...profile, api_key: key };
  }

  /**
   * Whether an account can be made with an invitation now; it stays as it is. Wrong ones count as attempts to register. Good
   * ones do not: who opens the page of a link has tried nothing yet, and a class behind one address does so at once.
   * @throws ApiException what `register` would answer: 403, or 429
   */
  async check({ invitation }: CheckInvitation, client: Client): Promise<void> {
    this.refuseUnlessOpen({ invitation });
    const buckets = this.throttle.registrationBuckets(client.address);
    await this.throttle.check(buckets);
    const found = await this.strangers.run(() => this.invitations.lookUp(invitation));
    if (found) return;
    // Of wrong ones that race, those beyond the count learn nothing.
    await this.throttle.count(buckets);
    throw invitationRequired();
  }

  /** A race for an invitation or for a name costs one password hash at a time. Always in this order: never a circle. */
  private inTurn<T>({ username, invitation }: Register, work: () => Promise<T>): Promise<T> {
    const forName = () => this.turns.take(usernameKey(username), work);
    if (!isGiven(invitation)) return forName();
    // With its space it is no username.
    return this.turns.take(`invitation ${oneTimeTokenHash(invitation).toString('hex')}`, forName);
  }

  private async createAccount(dto: Register, client: Client): Promise<{ userId: string; key: string }> {
    const { username, password, email, name, token_limit: tokenLimit } = dto;
    const invitation = await this.invitationOf(dto);
    const given = invitation?.limits;
    const role = invitation?.role;
    const prepared = await this.users.prepare({ username, password, email, name, tokenLimit, given, role });
    const writeDown = async (manager: EntityManager) => {
      const user = await this.users.insert(prepared, manager);
      await this.recordUser(user, { invitation, client }, manager);
      const { key } = await this.apiKeys.mint(user.id, { name: FIRST_KEY_NAME }, manager);
      return { userId: user.id, key };
    };
    return this.strangers.run(() => this.dataSource.transaction(writeDown));
  }

  private async invitationOf({ invitation }: Register): Promise<Invitation | null> {
    return isGiven(invitation) ? this.strangers.run(() => this.invitations.find(invitation)) : null;
  }

  private async recordUser(
    user: User,
    { invitation, client }: { invitation: Invitation | null; client: Client },
    manager: EntityManager,
  ): Promise<void> {
    const actor = { actorId: user.id, address: client.address, requestId: client.requestId };
    if (invitation) await this.invitations.use(invitation, actor, manager);
    const after = { role: user.role, status: user.status, invitation_id: invitation?.id };
    await this.auditLog.record(
      { ...actor, action: 'user.created', subject: 'user', subjectId: user.id, after },
      manager,
    );
  }

  private refuseUnlessOpen({ invitation }: Pick<Register, 'invitation'>): void {
    const mode = this.env.registration;
    if (mode === 'invite' && !isGiven(invitation)) throw invitationRequired();
    if (mode !== 'closed') return;
    throw new ApiException({
      status: 403,
      code: 'registration_closed',
      message: 'Registration is closed here; ask an administrator for an account.',
    });
  }
}

/** An empty one is given, and wrong. */
function isGiven(invitation: string | null | undefined): invitation is string {
  return invitation !== null && invitation !== undefined;
}
