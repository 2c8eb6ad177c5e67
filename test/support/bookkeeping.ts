import type { TestGateway } from './gateway';

/** Everything a request can leave behind in the database: what is held, what is counted, what is billed. */
export interface Bookkeeping {
  readonly open: number;
  readonly records: number;
  readonly windows: readonly { readonly used: string }[];
}

export async function bookkeeping(gateway: TestGateway): Promise<Bookkeeping> {
  const [counts] = await gateway.dataSource.query<{ open: number; records: number }[]>(
    `SELECT (SELECT count(*)::int FROM open_requests) AS open, (SELECT count(*)::int FROM usage_records) AS records`,
  );
  const windows = await gateway.dataSource.query<{ used: string }[]>(
    'SELECT * FROM limit_windows ORDER BY limit_windows::text',
  );
  return { open: counts?.open ?? -1, records: counts?.records ?? -1, windows };
}

/** The generations and token counts that vLLM was asked for; its list of models may be read at any time. */
export const dispatched = (gateway: TestGateway): string[] =>
  gateway.simulator.journal.entries.filter(({ method }) => method === 'POST').map(({ path }) => path);
