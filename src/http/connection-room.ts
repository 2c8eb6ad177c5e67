import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';

/** Of the files a process may have open, so many at least are left for PostgreSQL, vLLM and its own; or a quarter of them. */
const OWN_FILES = 64;
const OWN_SHARE = 4;
const WARN_EVERY_MS = 60_000;

/**
 * Takes no more connections than leave room for those that their requests need: a process whose files were all taken by
 * clients could serve none of them. What is beyond that is closed at once.
 */
export function leaveRoomForRequests(
  server: Server,
  warn: (message: string) => void,
  limit = openFiles(),
): void {
  if (limit === null) return;
  const most = Math.max(1, limit - Math.max(OWN_FILES, Math.ceil(limit / OWN_SHARE)));
  server.maxConnections = most;
  let warnedAt = -Infinity;
  server.on('drop', () => {
    const now = performance.now();
    if (now - warnedAt < WARN_EVERY_MS) return;
    warnedAt = now;
    warn(
      `connections beyond ${most} are closed, since this process may have ${limit} files open: raise that limit (ulimit -n)`,
    );
  });
}

/** How many files this process may have open; null: without end, or on a system that does not tell. */
function openFiles(): number | null {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
