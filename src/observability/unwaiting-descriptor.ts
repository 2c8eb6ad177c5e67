import { constants, fstatSync, openSync } from 'node:fs';

/** stdout or stderr as it is to be written to. */
export interface UnwaitingDescriptor {
  readonly fd: number;
  /** To be called before each write. */
  readonly unblock: () => void;
}

/** What Node keeps of a pipe or a socket. */
interface StandardStream {
  readonly _handle?: { setBlocking?(blocking: boolean): unknown } | null;
}

/**
 * A descriptor on which no write waits for a reader: one that does would keep a thread, and with it the end of this
 * process, for as long as the reader likes. Whether writes wait is a property of the open pipe, which workers share
 * with each other and with whoever started the gateway, and every Node sets it anew for all of them when it starts and
 * when it ends. So a pipe is opened once more, for this process alone. A socket, as a supervisor may give, cannot be:
 * there it is said again before each write.
 */
export function unwaitingDescriptor(standard: 1 | 2): UnwaitingDescriptor {
  const file = fstatSync(standard);
  // Anything else has a place in it that must be shared, and no reader.
  if (!file.isFIFO() && !file.isSocket()) return { fd: standard, unblock: () => undefined };
  const fd = file.isFIFO() ? openedAnew(standard) : null;
  if (fd !== null) return { fd, unblock: () => undefined };
  const stream = (standard === 1 ? process.stdout : process.stderr) as StandardStream;
  return { fd: standard, unblock: () => void stream._handle?.setBlocking?.(false) };
}

/** Null without /proc, or without the right to a pipe that another user has made. */
function openedAnew(fd: number): number | null {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}
