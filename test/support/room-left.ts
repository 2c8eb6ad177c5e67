import type { TestGateway } from './gateway';
import { counterDifferences, untilNothingOpen } from './ledger';

/** Leaves so many tokens a month to a user, by the limit that all have. */
export async function leaveTokens(gateway: TestGateway, userId: string, amount: number): Promise<void> {
  await gateway.dataSource.query(
    `UPDATE limits SET amount = $2 WHERE subject_id = $1 AND set_by = 'default'`,
    [userId, amount],
  );
}

/** What a user has used this month once nothing is open, and every counter is what the ledger adds up to. */
export async function tokensUsed(gateway: TestGateway, userId: string): Promise<number> {
  await untilNothingOpen(gateway);
  expect(await counterDifferences(gateway)).toEqual([]);
  const [row] = await gateway.dataSource.query<{ used: string }[]>(
    `SELECT used FROM limit_windows WHERE subject_id = $1 AND period = 'month'`,
    [userId],
  );
  return Number(row?.used ?? 0);
}
