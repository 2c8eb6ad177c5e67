import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { EntityManager, QueryFailedError, Repository } from 'typeorm';
import { v7 as uuidV7 } from 'uuid';
import { ApiException } from '../common/api.exception';
import type { Role } from '../common/principal';
import { Env } from '../config/env';
import { StrangersConnections } from '../database/strangers-connections';
import { FirstLimits, firstTokenCap, insertFirstLimits } from './first-limits';
import { PasswordHasher } from './password-hasher';
import { passwordFault } from './password-rules';
import { User } from './user.entity';
import { isUsername, usernameKey } from './username';

export interface NewUser extends FirstLimits {
  readonly username: string;
  /** Null: the user sets one with a link. */
  readonly password: string | null;
  readonly email?: string | null;
  readonly name?: string | null;
  readonly role?: Role;
}

/** A checked new user whose password is hashed: what is slow is done before a transaction opens. */
export type PreparedUser = Omit<NewUser, 'password'> & { readonly passwordHash: string | null };

@Injectable()
export class UsersService {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly hasher: PasswordHasher,
    private readonly strangers: StrangersConnections,
    private readonly env: Env,
  ) {}

  /** Creates an account with the default cap, in `manager`'s transaction or in its own. */
  async create(newUser: NewUser, manager?: EntityManager): Promise<User> {
    const prepared = await this.prepare(newUser);
    return manager
      ? this.insert(prepared, manager)
      : this.users.manager.transaction((own) => this.insert(prepared, own));
  }

  /** @throws ApiException 400, 409 or 422 for what cannot become an account. */
  async prepare({ password, ...rest }: NewUser): Promise<PreparedUser> {
    if (!isUsername(rest.username)) {
      throw new ApiException({
        status: 400,
        code: 'invalid_request',
        message: 'username must be 1 to 128 characters without spaces or control characters',
        param: 'username',
      });
    }
    if (password !== null) this.checkPassword(password, rest, 'password');
    await this.checkOwnLimit(rest);
    if (await this.findByUsername(rest.username)) throw usernameTaken();
    return { ...rest, passwordHash: password === null ? null : await this.hasher.hash(password) };
  }

  /** Writes a prepared user and its limits; the uniqueness of the name is decided here. */
  async insert(user: PreparedUser, manager: EntityManager): Promise<User> {
    const id = uuidV7();
    try {
      await manager.insert(User, {
        id,
        username: user.username,
        usernameKey: usernameKey(user.username),
        email: user.email ?? null,
        name: user.name ?? null,
        role: user.role ?? 'user',
        passwordHash: user.passwordHash,
      });
    } catch (error) {
      if (isUsernameConflict(error)) throw usernameTaken();
      throw error;
    }
    await insertFirstLimits(manager, id, user, this.env);
    return manager.findOneByOrFail(User, { id });
  }

  findById(id: string): Promise<User | null> {
    return this.users.createQueryBuilder('u').where('u.id = :id AND u.deleted_at IS NULL', { id }).getOne();
  }

  async getById(id: string): Promise<User> {
    const user = await this.findById(id);
    if (!user) throw new NotFoundException('There is no such user.');
    return user;
  }

  /**
   * The user, held until the end of `manager`'s transaction; null when there is none. Whoever changes more than the
   * user's own row begins with this, so that nobody waits for each other in a circle.
   */
  hold(id: string, manager: EntityManager): Promise<User | null> {
    return manager
      .createQueryBuilder(User, 'u')
      .where('u.id = :id AND u.deleted_at IS NULL', { id })
      .setLock('for_no_key_update')
      .getOne();
  }

  /** By what anybody may say. */
  async findByUsername(username: string): Promise<User | null> {
    if (!isUsername(username)) return null;
    return this.strangers.run(() => this.users.findOneBy({ usernameKey: usernameKey(username) }));
  }

  /** The user when name and password are right and the account is active; every "no" costs the same. */
  async verifyCredentials(username: string, password: string): Promise<User | null> {
    const user = await this.findByUsername(username);
    const matches = await this.hasher.verify(user?.passwordHash ?? null, password);
    if (!user || !matches || user.status !== 'active' || user.deletedAt) return null;
    const { passwordHash } = user;
    if (passwordHash !== null && this.hasher.isOutdated(passwordHash)) {
      user.passwordHash = await this.rehash(user.id, { passwordHash, password });
    }
    return user;
  }

  /** @returns false when `current` is not the user's password. */
  async hasPassword(user: User, current: string): Promise<boolean> {
    return this.hasher.verify(user.passwordHash, current);
  }

  /** The hash to store for a new password. @throws ApiException 400 when the rules refuse it. */
  async hashNewPassword(user: User, password: string): Promise<string> {
    this.checkPassword(password, user, 'new_password');
    return this.hasher.hash(password);
  }

  async setPasswordHash(userId: string, passwordHash: string, manager: EntityManager): Promise<void> {
    await manager.update(User, { id: userId }, { passwordHash, updatedAt: () => 'now()' });
  }

  /** Takes the person out of the account, in `manager`'s transaction; its id stays, for the ledger. */
  async anonymise(userId: string, manager: EntityManager): Promise<void> {
    await manager.update(
      User,
      { id: userId },
      {
        username: `deleted-${userId}`,
        // With its space nobody can have taken it, and it is no username to log in with.
        usernameKey: `deleted ${userId}`,
        email: null,
        name: null,
        passwordHash: null,
        status: 'disabled',
        lastLoginAt: null,
        deletedAt: () => 'now()',
        updatedAt: () => 'now()',
      },
    );
  }

  private async rehash(
    userId: string,
    { passwordHash: outdated, password }: { passwordHash: string; password: string },
  ): Promise<string> {
    const passwordHash = await this.hasher.hash(password);
    const replaced = await this.users.update({ id: userId, passwordHash: outdated }, { passwordHash });
    return replaced.affected === 1 ? passwordHash : outdated;
  }

  private checkPassword(password: string, owner: Pick<NewUser, 'username' | 'email'>, param: string): void {
    const fault = passwordFault(password, {
      minimum: this.env.PASSWORD_MIN,
      username: owner.username,
      email: owner.email,
    });
    if (fault) {
      throw new ApiException({ status: 400, code: 'weak_password', message: `${param} ${fault}`, param });
    }
  }

  private async checkOwnLimit(chosen: FirstLimits): Promise<void> {
    const own = chosen.tokenLimit ?? null;
    if (own === null) return;
    const cap = await this.strangers.run(() => firstTokenCap(this.users.manager, chosen, this.env));
    if (cap === null || own <= cap) return;
    throw new ApiException({
      status: 422,
      code: 'limit_exceeds_cap',
      message: `token_limit is above the cap of ${cap} tokens a month; choose a limit up to that, or leave it out`,
      param: 'token_limit',
    });
  }
}

function usernameTaken(): ApiException {
  return new ApiException({
    status: 409,
    code: 'username_taken',
    message: 'This username is already taken; choose another.',
    param: 'username',
  });
}

function isUsernameConflict(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  const cause: { code?: string; constraint?: string } = error.driverError;
  return cause.code === '23505' && cause.constraint === 'users_username_key_unique';
}
