import type { TestGateway } from './gateway';

const TODAY = new Date();

/** The middle of a month, counted from the current one. */
export const middleOf = (offset: number): Date =>
  new Date(Date.UTC(TODAY.getUTCFullYear(), TODAY.getUTCMonth() + offset, 15, 12));

export const partitionOf = (offset: number): string =>
  `usage_records_${middleOf(offset).toISOString().slice(0, 7).replace('-', '_')}`;

/** In alphabetical order. */
export async function partitionsOf({ dataSource }: TestGateway): Promise<string[]> {
  const rows = await dataSource.query<{ name: string }[]>(
    `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid
     WHERE inhparent = 'usage_records'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}
