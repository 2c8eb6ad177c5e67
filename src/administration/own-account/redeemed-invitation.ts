import type { DataSource } from 'typeorm';
import type { GivenLimit } from '../../users/first-limits';
import { toLimitView } from '../invitations/invited-limits';
import type { ExportedInvitation } from './dto/account-export.dto';

// Its note is among administrators, and who made it is somebody else.
const INVITATION = `
  SELECT id, role, limits, created_at, expires_at, used_at FROM invitations WHERE used_by = $1 LIMIT 1`;

type Row = Omit<ExportedInvitation, 'limits'> & { readonly limits: readonly GivenLimit[] };

/** The invitation an account was made with; null: it came without one. */
export async function redeemedInvitation(
  dataSource: DataSource,
  userId: string,
): Promise<ExportedInvitation | null> {
  const rows: Row[] = await dataSource.query(INVITATION, [userId]);
  return rows[0] ? { ...rows[0], limits: rows[0].limits.map(toLimitView) } : null;
}
