import type { TestGateway } from './gateway';

/** Resolves once so many of the gateway's statements wait for a lock. */
export async function untilLocksAreAwaited({ dataSource }: TestGateway, count: number): Promise<void> {
  for (let n = 0; n < 1_500; n += 1) {
    const waiting: unknown[] = await dataSource.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (waiting.length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not ${count} statements wait for a lock`);
}
