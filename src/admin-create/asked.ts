import { StartupFailure } from '../startup/startup-failure';

/** What the command line asks for. */
export interface Asked {
  /** Absent: ADMIN_USERNAME. */
  readonly username?: string;
  /** The account exists, and its administrator cannot get in any more. */
  readonly reset: boolean;
}

const RESET = '--reset';

/** @throws StartupFailure for anything else than a username and --reset, which might be a password: it is not repeated */
export function askedFor(words: readonly string[]): Asked {
  const names = words.filter((word) => word !== RESET);
  const [username] = names;
  if (names.length > 1 || username?.startsWith('-')) {
    throw new StartupFailure(
      `npm run admin:create -- [username] [${RESET}] is all there is to say; a password goes into ADMIN_PASSWORD.`,
    );
  }
  return { username, reset: words.includes(RESET) };
}
