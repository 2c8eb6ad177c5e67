import { connect } from 'node:net';
import { RawResponse, responsesIn } from './raw-responses';

/** A connection on which a test decides over every byte and every pause. */
export interface RawConnection {
  /** Everything that has come so far, one character a byte. */
  readonly text: () => string;
  readonly write: (bytes: string | Buffer) => void;
  /** Says that nothing more will be sent, and goes on reading. */
  readonly endWriting: () => void;
  /** Resets the connection, as a process that dies does. */
  readonly vanish: () => void;
  /** @throws when the text has not come in time, or the other side has closed without it */
  readonly until: (wanted: string | ((text: string) => boolean), withinMs?: number) => Promise<string>;
  /** The whole responses, once there are so many. */
  readonly responses: (count: number) => Promise<RawResponse[]>;
  /** Resolves with everything once the other side has closed. */
  readonly closed: Promise<string>;
}

export function openRaw(url: string): RawConnection {
  const { hostname, port } = new URL(url);
  // Half-open: the other side's end is not ours.
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  let text = '';
  let isClosed = false;
  const listeners = new Set<() => void>();
  const changed = () => [...listeners].forEach((listener) => listener());
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    changed();
  });
  const closed = new Promise<string>((resolve) => {
    const finish = () => {
      isClosed = true;
      socket.destroy();
      changed();
      resolve(text);
    };
    socket.on('end', finish).on('error', finish).on('close', finish);
  });
  const until: RawConnection['until'] = (wanted, withinMs = 30_000) =>
    new Promise((resolve, reject) => {
      const isThere = typeof wanted === 'string' ? () => text.includes(wanted) : () => wanted(text);
      const stop = (act: () => void) => {
        clearTimeout(timer);
        listeners.delete(look);
        act();
      };
      const fail = (why: string) => stop(() => reject(new Error(`${why}: ${text.slice(-500)}`)));
      const look = () => {
        if (isThere()) stop(() => resolve(text));
        else if (isClosed) fail('closed too early');
      };
      const timer = setTimeout(() => fail(`not within ${withinMs} ms`), withinMs);
      listeners.add(look);
      look();
    });
  return {
    text: () => text,
    write: (bytes) => socket.write(bytes),
    endWriting: () => socket.end(),
    vanish: () => socket.resetAndDestroy(),
    until,
    responses: async (count) => responsesIn(await until((all) => responsesIn(all).length >= count)),
    closed,
  };
}
