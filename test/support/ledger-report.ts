import { Client } from 'pg';
import { differenceLine } from '../../src/usage/ledger-check/ledger-difference';
import { ledgerDifferences, LedgerReport } from '../../src/usage/ledger-check/ledger-differences';
import type { TestGateway } from './gateway';

/** What `npm run ledger:check` finds in the gateway's database. */
export async function ledgerReport(gateway: TestGateway): Promise<LedgerReport> {
  const client = new Client({ connectionString: gateway.env.DATABASE_URL });
  await client.connect();
  try {
    return await ledgerDifferences(client, gateway.env.LIMITS_TIME_ZONE);
  } finally {
    await client.end();
  }
}

/** The lines of that report: [] when counters, rollups and ledger agree. */
export async function ledgerLines(gateway: TestGateway): Promise<string[]> {
  return (await ledgerReport(gateway)).differences.map(differenceLine);
}
