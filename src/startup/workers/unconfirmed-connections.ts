import type { ChildProcess } from 'node:child_process';

/** What node:cluster sends with a connection, and what the worker answers. */
interface ClusterMessage {
  readonly act?: string;
  readonly seq?: number;
  readonly ack?: number;
}

interface Closable {
  close(): void;
}

type Send = (message: ClusterMessage, handle?: Closable, ...more: unknown[]) => boolean;

/** By then everything has been read that a process had said before it ended. */
const LAST_WORDS_MS = 1_000;

/**
 * Closes the connections that a worker was dealt and had not confirmed when it died. node:cluster keeps each open in the
 * primary until its worker says that it has it. One that is killed before never does: nobody would close it, and its
 * client would wait for ever.
 */
export function closeWhatIsNotConfirmed(worker: ChildProcess): void {
  // One that could not be started can be sent nothing, whatever the types say.
  if (!worker.connected) return;
  const dealt = new Map<number, Closable>();
  const send = worker.send.bind(worker) as Send;
  const noting: Send = (message, handle, ...more) => {
    if (message.act === 'newconn' && message.seq !== undefined && handle) dealt.set(message.seq, handle);
    return send(message, handle, ...more);
  };
  worker.send = noting as ChildProcess['send'];
  const closeAll = () => {
    for (const connection of dealt.values()) connection.close();
    dealt.clear();
  };
  const events: NodeJS.EventEmitter = worker;
  events.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) dealt.delete(ack);
  });
  events.once('disconnect', closeAll);
  // One that dies within a message is never said to be disconnected.
  events.once('exit', () => setTimeout(closeAll, LAST_WORDS_MS).unref());
}
