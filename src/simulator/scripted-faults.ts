import type { Connection } from './connection';
import { scriptedFailure } from './failures';
import { sendError, sendRedirect, sendText } from './http-answers';
import type { JournalEntry } from './journal';
import type { Script } from './script';

/** Faults that come instead of an answer. They generate nothing. */
export async function answeredByScript(
  script: Script,
  connection: Connection,
  entry: JournalEntry,
): Promise<boolean> {
  const { response } = connection;
  if (script.refuse) {
    entry.outcome = 'fault';
    connection.reset();
    return true;
  }
  if (script.neverAnswer) {
    await connection.forever();
    return true;
  }
  if (script.redirectTo !== undefined) {
    entry.outcome = 'fault';
    sendRedirect(response, script.redirectTo);
    return true;
  }
  if (script.status === undefined) return false;
  entry.outcome = 'fault';
  entry.status = script.status;
  if (script.retryAfter !== undefined) response.setHeader('retry-after', String(script.retryAfter));
  if (script.body !== undefined) sendText(response, script.status, script.body);
  else sendError(response, scriptedFailure(script.status));
  return true;
}
