const KEYS = ['created_at', 'username', 'last_login_at'] as const;

type UserSortKey = (typeof KEYS)[number];
export type UserSort = UserSortKey | `-${UserSortKey}`;

export const USER_SORTS: readonly UserSort[] = KEYS.flatMap((key): UserSort[] => [key, `-${key}`]);

/** A list in an order: what is compared, and how its value travels in a cursor. */
export interface UserOrder {
  /** Never null, and of `type`. */
  readonly expression: string;
  readonly type: 'text' | 'timestamptz';
  readonly direction: 'ASC' | 'DESC';
  readonly form: RegExp;
}

/** Microseconds since 1970: a Date would cut the time short, and not every text of a date is one. */
const INSTANT = { type: 'timestamptz', form: /^-?\d{1,17}$/ } as const;

const ORDERS: Readonly<Record<UserSortKey, Omit<UserOrder, 'direction'>>> = {
  created_at: { ...INSTANT, expression: 'u.created_at' },
  last_login_at: { ...INSTANT, expression: `coalesce(u.last_login_at, 'epoch')` },
  username: { type: 'text', expression: 'u.username_key', form: /^[^\s\p{C}]{1,512}$/u },
};

export function userOrder(sort: UserSort): UserOrder {
  const key = sort.replace(/^-/, '') as UserSortKey;
  return { ...ORDERS[key], direction: sort.startsWith('-') ? 'DESC' : 'ASC' };
}
