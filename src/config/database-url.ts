const PROTOCOLS: ReadonlySet<string> = new Set(['postgres:', 'postgresql:']);

/**
 * Reads a DATABASE_URL as the driver does; null when it is none. A Unix socket is `%2Frun%2Fpostgresql` in place of the
 * host, or no host and `?host=/run/postgresql`.
 */
export function parseDatabaseUrl(text: string): URL | null {
  try {
    // A user without a host, which only goes with ?host=, is none in other URLs.
    const url = new URL(text.replace('@/', '@localhost/'));
    // Whoever connects decodes them.
    decodeURIComponent(url.username + url.password + url.hostname + url.pathname);
    return PROTOCOLS.has(url.protocol) && !/\s/.test(text) ? url : null;
  } catch {
    return null;
  }
}
