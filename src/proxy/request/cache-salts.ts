import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Env } from '../../config/env';

const MOST_USERS = 10_000;

/** Users share no prefix cache of vLLM, whose timing would tell them of each other's prompts. */
@Injectable()
export class CacheSalts {
  private readonly known = new LRUCache<string, string>({ max: MOST_USERS });

  constructor(private readonly env: Env) {}

  /** The same on every replica, and telling nothing of the user. */
  of(userId: string): string {
    let salt = this.known.get(userId);
    if (salt === undefined) {
      salt = createHmac('sha256', `${this.env.API_KEY_PEPPER}:cache-salt`).update(userId).digest('base64url');
      this.known.set(userId, salt);
    }
    return salt;
  }
}
