import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { apiKeyNotFound, OwnKey } from '../auth/api-keys/own-key';
import { Env } from '../config/env';
import type { UsageQuery } from './dto/usage-query.dto';
import type { KeyUsage, UsageSummary, UsageWindow } from './dto/usage-summary.dto';
import { limitWarning, spentShare } from './limits/limit-warning';
import { LimitWindows, tightestTokenWindow, WindowState } from './limits/limit-windows.service';
import { breakDown } from './usage-breakdown';
import { resolveRange } from './usage-range';

/** What a user has used in a range of time, and has left now. */
@Injectable()
export class UsageService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limitWindows: LimitWindows,
    private readonly env: Env,
  ) {}

  async summarize(userId: string, query: UsageQuery): Promise<UsageSummary> {
    const zone = this.env.LIMITS_TIME_ZONE;
    const range = await resolveRange(this.dataSource, zone, query);
    const [breakdown, own, shared] = await Promise.all([
      breakDown(this.dataSource, { userId, zone, range }),
      this.limitWindows.of('user', userId),
      this.limitWindows.ofEveryone(),
    ]);
    const windows = [...own, ...shared];
    return {
      ...tightestOf(windows),
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      totals: breakdown.totals,
      windows: windows.filter(isShown).map(toUsageWindow),
      by_day: [...breakdown.byDay],
      by_model: [...breakdown.byModel],
      by_key: [...breakdown.byKey],
    };
  }

  /** Of a revoked key too: what it was used for is asked most when it has leaked. @throws NotFoundException */
  async ofOwnKey({ userId, keyId }: OwnKey, query: UsageQuery): Promise<KeyUsage> {
    const own: unknown[] = await this.dataSource.query(
      'SELECT 1 FROM api_keys WHERE id = $1 AND user_id = $2',
      [keyId, userId],
    );
    if (own.length === 0) throw apiKeyNotFound();
    return this.ofKey(keyId, userId, query);
  }

  /** What the key and its owner have used and have left: everything that can stop this key. */
  async ofKey(keyId: string, userId: string, query: UsageQuery): Promise<KeyUsage> {
    const zone = this.env.LIMITS_TIME_ZONE;
    const range = await resolveRange(this.dataSource, zone, query);
    const [breakdown, ofKey, ofUser, shared] = await Promise.all([
      breakDown(this.dataSource, { userId, keyId, zone, range }),
      this.limitWindows.of('key', keyId),
      this.limitWindows.of('user', userId),
      this.limitWindows.ofEveryone(),
    ]);
    const windows = [...ofKey, ...ofUser, ...shared];
    return {
      object: 'usage',
      key_id: keyId,
      ...tightestOf(windows),
      windows: windows.filter(isShown).map(toUsageWindow),
      from: range.from.toISOString(),
      to: range.to.toISOString(),
      totals: breakdown.totals,
      by_day: [...breakdown.byDay],
      by_model: [...breakdown.byModel],
    };
  }
}

/** Says which window it is: it may be what all users share, and then the use of all of them. */
function tightestOf(
  windows: readonly WindowState[],
): Pick<UsageSummary, 'tokens_used' | 'token_limit' | 'remaining' | 'tightest_window'> {
  const tightest = tightestTokenWindow(windows);
  return {
    tokens_used: tightest?.used ?? 0,
    token_limit: tightest?.limit ?? null,
    remaining: tightest?.remaining ?? null,
    tightest_window: tightest ? { subject: tightest.subject, window: tightest.window } : null,
  };
}

const ALWAYS_SHOWN: ReadonlySet<string> = new Set(['day', 'month', 'total']);

/** A counter whose limit was taken away again goes on counting, but concerns nobody. */
function isShown({ metric, model, window, limit }: WindowState): boolean {
  return limit !== null || (metric === 'tokens' && model === '' && ALWAYS_SHOWN.has(window));
}

function toUsageWindow({
  subject,
  metric,
  window,
  model,
  limit,
  used,
  reserved,
  ...rest
}: WindowState): UsageWindow {
  return {
    subject,
    metric,
    window,
    ...(model === '' ? {} : { model }),
    limit,
    used,
    reserved,
    remaining: rest.remaining,
    resets_at: rest.resetsAt?.toISOString() ?? null,
    warning: metric === 'tokens' ? warningOf(limit, rest.remaining) : null,
  };
}

function warningOf(limit: number | null, remaining: number | null): UsageWindow['warning'] {
  return limit === null || remaining === null ? null : limitWarning(spentShare({ limit, remaining }));
}
