const KEYS = ['created_at', 'expires_at'] as const;

type InvitationSortKey = (typeof KEYS)[number];
export type InvitationSort = InvitationSortKey | `-${InvitationSortKey}`;

export const INVITATION_SORTS: readonly InvitationSort[] = KEYS.flatMap((key): InvitationSort[] => [
  key,
  `-${key}`,
]);

/** A list in an order, whose places are microseconds since 1970: a Date would cut the time short, and repeat rows. */
export interface InvitationOrder {
  readonly column: string;
  readonly direction: 'ASC' | 'DESC';
}

export function invitationOrder(sort: InvitationSort): InvitationOrder {
  return {
    column: `i.${sort.replace(/^-/, '') as InvitationSortKey}`,
    direction: sort.startsWith('-') ? 'DESC' : 'ASC',
  };
}
