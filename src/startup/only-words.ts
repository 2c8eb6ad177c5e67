import { StartupFailure } from './startup-failure';

/**
 * Refuses whatever stands behind a command, but for what it knows.
 * @throws StartupFailure with `sentence`; a word might be a password, and is not repeated
 */
export function onlyWords(known: readonly string[], sentence: string): void {
  if (process.argv.slice(2).some((word) => !known.includes(word))) throw new StartupFailure(sentence);
}
