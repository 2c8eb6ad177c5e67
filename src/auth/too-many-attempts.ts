import { ApiException } from '../common/api.exception';

/** What there has been too much of: each has another way out, and none tells whether an account exists. */
export type Attempts = 'at one username' | 'from one network' | 'to register';

const TOLD: Readonly<Record<Attempts, (wait: string) => string>> = {
  'at one username': (wait) =>
    `Too many wrong passwords for this username; try again in ${wait}, or ask an administrator for a password link.`,
  // A new password of one account changes nothing about what was tried of others.
  'from one network': (wait) => `Too many wrong passwords from your network; try again in ${wait}.`,
  'to register': (wait) => `Too many attempts to register from your network; try again in ${wait}.`,
};

/** For people, who see no headers: whole minutes, and never fewer than it takes. */
export function tooManyAttempts(attempts: Attempts, seconds: number): ApiException {
  const minutes = Math.ceil(seconds / 60);
  return new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message: TOLD[attempts](minutes === 1 ? '1 minute' : `${minutes} minutes`),
    headers: { 'retry-after': String(seconds) },
  });
}
