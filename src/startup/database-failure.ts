import { parseDatabaseUrl } from '../config/database-url';
import type { Env } from '../config/env';
import { isDatabaseAway } from '../database/database-unavailable';
import { codeOf, StartupFailure } from './startup-failure';

/** The database cannot be used; that may pass by itself. */
export class DatabaseFailure extends StartupFailure {}

/** Where a database is, without its password. */
export function databaseLabel(url: string): string {
  const parsed = parseDatabaseUrl(url);
  if (!parsed) return 'the database of DATABASE_URL';
  const { hostname, port, pathname, username, searchParams } = parsed;
  const host = searchParams.get('host') || decodeURIComponent(hostname) || 'localhost';
  const user = username ? `${decodeURIComponent(username)}@` : '';
  return `${user}${host}${port ? `:${port}` : ''}${decodeURIComponent(pathname)}`;
}

/** The file that DATABASE_URL names, as `sslrootcert`, and that could not be read; null when it was something else. */
export function namedFile(error: unknown): string | null {
  // A Unix socket that is not there has the same code, but was to be connected to.
  if (codeOf(error) === '') return null;
  const { syscall, path } = error as NodeJS.ErrnoException;
  return syscall !== undefined && syscall !== 'connect' && path !== undefined ? path : null;
}

/** Says in one sentence why a database cannot be used; never its password. */
export function databaseFailure(error: unknown, url: string): DatabaseFailure {
  const where = databaseLabel(url);
  const file = namedFile(error);
  if (file !== null)
    return new DatabaseFailure(`DATABASE_URL: ${file}, which it names, ${whyUnread(error)}.`);
  const sentence = {
    ECONNREFUSED: `no PostgreSQL listens at ${where}`,
    ENOENT: `no PostgreSQL listens at ${where}`,
    ENOTFOUND: `the host of ${where} is unknown`,
    EAI_AGAIN: `the host of ${where} is unknown at the moment`,
    ETIMEDOUT: `${where} does not answer`,
    EHOSTUNREACH: `the host of ${where} cannot be reached`,
    ECONNRESET: `${where} closed the connection: is it PostgreSQL?`,
    '28P01': `${where} refused the user name or password`,
    '28000': `${where} does not let this user in: ${messageOf(error)}`,
    '3D000': `${where} has no such database; create it first`,
    '42501': `${where} does not give this user the right to it: ${messageOf(error)}`,
    '53300': `${where} has no connection left`,
    '57P03': `${where} is still starting up`,
  }[codeOf(error)];
  return new DatabaseFailure(`DATABASE_URL: ${sentence ?? `${where} cannot be used: ${messageOf(error)}`}.`);
}

/** What fails because the database, which was there a moment ago, cannot be used any more; anything else as it is. */
export function explained(error: unknown, { DATABASE_URL }: Pick<Env, 'DATABASE_URL'>): unknown {
  // Class 28: it does not let the gateway in.
  const isOurs = isDatabaseAway(error) || /^(28...|3D000)$/.test(codeOf(error));
  return isOurs ? databaseFailure(error, DATABASE_URL ?? '') : error;
}

function whyUnread(error: unknown): string {
  return codeOf(error) === 'ENOENT' ? 'is not there' : `cannot be read: ${messageOf(error)}`;
}

function messageOf(error: unknown): string {
  const text = error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : undefined;
  return (
    text ?? (error instanceof Error ? error.message.replace(/\s+/g, ' ').replace(/\.$/, '') : String(error))
  );
}
