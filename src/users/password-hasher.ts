import { randomBytes } from 'node:crypto';
import { Injectable, OnModuleInit } from '@nestjs/common';
import * as argon2 from 'argon2';
import { ApiException } from '../common/api.exception';

/** OWASP's smaller-memory choice for argon2id; about 14 ms of one core. */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

// More would hold libuv's whole pool, and with it every DNS look-up and file read of the gateway.
const IN_FLIGHT = 2;
const QUEUE = 32;

/** The only user of argon2. Bounded: beyond its queue it answers 503 rather than let work pile up. */
@Injectable()
export class PasswordHasher implements OnModuleInit {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  /** What is verified against when there is no such user, so that both cases take the same time. */
  private dummyHash: Promise<string> | undefined;

  async onModuleInit(): Promise<void> {
    await this.dummy();
  }

  hash(password: string): Promise<string> {
    return this.inSlot(() => argon2.hash(password, PARAMETERS));
  }

  /** @param hash the stored hash; null (no such user) costs the same and is always false. */
  async verify(hash: string | null, password: string): Promise<boolean> {
    const target = hash ?? (await this.dummy());
    const matches = await this.inSlot(() => argon2.verify(target, password));
    return matches && hash !== null;
  }

  /** True when a hash was made with weaker parameters than today's. */
  isOutdated(hash: string): boolean {
    return argon2.needsRehash(hash, PARAMETERS);
  }

  private dummy(): Promise<string> {
    this.dummyHash ??= argon2.hash(randomBytes(32), PARAMETERS);
    return this.dummyHash;
  }

  private async inSlot<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= IN_FLIGHT) await this.waitForSlot();
    else this.running += 1;
    try {
      return await work();
    } finally {
      // The slot goes straight to the next in line; `running` changes only when nobody waits.
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }

  private waitForSlot(): Promise<void> {
    if (this.waiting.length >= QUEUE) {
      throw new ApiException({
        status: 503,
        code: 'busy',
        message: 'Too many passwords are being checked at the moment; please repeat the request shortly.',
        headers: { 'retry-after': '2' },
      });
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
