import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { Env } from '../../config/env';
import type { Limit, LimitPeriod } from './limit.entity';
import { EVERYONE } from './limit-store';
import { windowState } from './window-state';

/** One counter as it stands now, with the smallest limit that applies to it. */
export interface WindowState {
  readonly subject: Limit['subject'];
  readonly metric: Limit['metric'];
  readonly window: LimitPeriod;
  /** Public model name, or '' for any. */
  readonly model: string;
  readonly limit: number | null;
  readonly used: number;
  readonly reserved: number;
  /** Never negative; null without a limit. */
  readonly remaining: number | null;
  /** null: never by itself. */
  readonly resetsAt: Date | null;
}

interface WindowRow {
  subject: Limit['subject'];
  metric: Limit['metric'];
  period: LimitPeriod;
  model: string;
  amount: string | null;
  used: string;
  reserved: string;
  resets_at: Date | null;
}

const WINDOWS = `
  SELECT w.subject, w.metric, w.period, w.model, s.amount, s.used, s.reserved, s.resets_at
  FROM limit_windows w ${windowState('$3')}
  WHERE w.subject = $1 AND w.subject_id = $2
  ORDER BY array_position(ARRAY['tokens', 'requests', 'concurrent_requests'], w.metric), w.model,
    array_position(ARRAY['minute', 'hour', 'day', 'week', 'month', 'total'], w.period)`;

/** Reads what a user or a key has used and has left, window by window. */
@Injectable()
export class LimitWindows {
  constructor(
    private readonly dataSource: DataSource,
    private readonly env: Env,
  ) {}

  /** Every window that is counted for the subject, limited or not. */
  async of(
    subject: Limit['subject'],
    subjectId: string,
    manager: EntityManager = this.dataSource.manager,
  ): Promise<WindowState[]> {
    const rows: WindowRow[] = await manager.query(WINDOWS, [subject, subjectId, this.env.LIMITS_TIME_ZONE]);
    return rows.map(toState);
  }

  /** The windows that hold for everyone together, as far as they are limited. */
  async ofEveryone(): Promise<WindowState[]> {
    return (await this.of('everyone', EVERYONE)).filter(({ limit }) => limit !== null);
  }
}

/**
 * The token window over all models with the least left: what stops its owner first. Without any limit it is the
 * month, which then only counts.
 */
export function tightestTokenWindow(windows: readonly WindowState[]): WindowState | undefined {
  const tokens = windows.filter((window) => window.metric === 'tokens' && window.model === '');
  const limited = tokens.filter((window) => window.remaining !== null);
  if (limited.length === 0) return tokens.find((window) => window.window === 'month');
  return limited.reduce((tightest, window) =>
    (window.remaining ?? 0) < (tightest.remaining ?? 0) ? window : tightest,
  );
}

function toState(row: WindowRow): WindowState {
  const limit = row.amount === null ? null : Number(row.amount);
  const used = Number(row.used);
  const reserved = Number(row.reserved);
  return {
    subject: row.subject,
    metric: row.metric,
    window: row.period,
    model: row.model,
    limit,
    used,
    reserved,
    remaining: limit === null ? null : Math.max(0, limit - used - reserved),
    resetsAt: row.resets_at,
  };
}
