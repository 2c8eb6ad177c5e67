import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource } from 'typeorm';

const NOTED_EVERY_MS = 60_000;
const WRITTEN_AFTER_MS = 1_000;
const MAX_REMEMBERED = 10_000;

// It waits for nobody: two that lock many keys in different orders would wait for each other. A key that another replica
// notes, or its owner changes just now, is noted the next time.
const NOTE = `
  UPDATE api_keys SET last_used_at = now()
  WHERE id IN (SELECT id FROM api_keys WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED)`;

/** Keeps `last_used_at` roughly true: once a minute for each key, in batches, and never while a request waits. */
@Injectable()
export class ApiKeyUse implements OnApplicationShutdown {
  private readonly logger = new Logger(ApiKeyUse.name);
  private readonly noted = new LRUCache<string, true>({
    max: MAX_REMEMBERED,
    ttl: NOTED_EVERY_MS,
    ttlResolution: WRITTEN_AFTER_MS,
  });
  private readonly unwritten = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly dataSource: DataSource) {}

  note(keyId: string): void {
    if (this.noted.has(keyId)) return;
    this.noted.set(keyId, true);
    this.unwritten.add(keyId);
    this.timer ??= setTimeout(() => void this.write(), WRITTEN_AFTER_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.unwritten.size > 0) await this.write();
  }

  private async write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const ids = [...this.unwritten];
    this.unwritten.clear();
    try {
      await this.dataSource.query(NOTE, [ids]);
    } catch (error) {
      this.logger.debug({ err: error }, 'last_used_at not written');
    }
  }
}
