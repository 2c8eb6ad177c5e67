import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource } from 'typeorm';

const NOTED_EVERY_MS = 60_000;
const WRITTEN_AFTER_MS = 1_000;
const MAX_REMEMBERED = 10_000;

// It waits for nobody: two that lock many keys in different orders would wait for each other. The answer is who was
// passed over, since another replica notes it, or its owner changes it just now.
const NOTE = `
  WITH used AS (SELECT * FROM unnest($1::uuid[], $2::float8[]) AS u (id, ms_ago)),
  free AS (SELECT id FROM api_keys WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED),
  noted AS (
    UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, now() - used.ms_ago * interval '1 ms')
    FROM used JOIN free USING (id) WHERE k.id = used.id
    RETURNING k.id
  )
  SELECT id FROM api_keys WHERE id = ANY ($1) AND id NOT IN (SELECT id FROM noted)`;

/** Keeps `last_used_at` roughly true: once a minute for each key, in batches, and never while a request waits. */
@Injectable()
export class ApiKeyUse implements OnApplicationShutdown {
  private readonly logger = new Logger(ApiKeyUse.name);
  private readonly noted = new LRUCache<string, true>({
    max: MAX_REMEMBERED,
    ttl: NOTED_EVERY_MS,
    ttlResolution: WRITTEN_AFTER_MS,
  });
  /** When each was used, by performance.now(). */
  private readonly unwritten = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly dataSource: DataSource) {}

  note(keyId: string): void {
    if (this.noted.has(keyId)) return;
    this.noted.set(keyId, true);
    this.writeSoon(keyId, performance.now());
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.unwritten.size > 0) await this.write();
    clearTimeout(this.timer);
  }

  private writeSoon(keyId: string, usedAt: number): void {
    this.unwritten.set(keyId, usedAt);
    this.timer ??= setTimeout(() => void this.write(), WRITTEN_AFTER_MS).unref();
  }

  private async write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const used = new Map(this.unwritten);
    this.unwritten.clear();
    const now = performance.now();
    let left = [...used.keys()];
    try {
      const ages = [...used.values()].map((usedAt) => now - usedAt);
      const passedOver: { id: string }[] = await this.dataSource.query(NOTE, [left, ages]);
      left = passedOver.map(({ id }) => id);
    } catch (error) {
      this.logger.debug({ err: error }, 'last_used_at not written');
    }
    // A key may not be used again for a month.
    for (const id of left) this.writeAgain(id, used.get(id) as number);
  }

  private writeAgain(keyId: string, usedAt: number): void {
    if (this.unwritten.has(keyId) || this.unwritten.size >= MAX_REMEMBERED) return;
    this.writeSoon(keyId, usedAt);
  }
}
