import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, QueryFailedError } from 'typeorm';
import { migrationOptions } from './data-source-options';
import { unfitEncoding } from './unfit-settings';

/** Between two tries the requests that queued behind the first one are served. */
const PAUSE_MS = 3_000;
const LOCK_NOT_AVAILABLE = '55P03';

export const WAITING_FOR_A_TABLE =
  'waiting for other sessions to let go of a table that a migration changes; it is tried again and again';

/**
 * What changes the schema, at a start and for the migration command. A migration that does not get a table at once, as
 * beside a backup, gives up its place in the queue, where every request would be behind it, and is tried again.
 */
export class MigrationDataSource extends DataSource {
  /** @param whenLocked told after each try how many have failed; what it throws ends the tries */
  constructor(
    settings: { url: string; applicationName?: string },
    private readonly whenLocked: (tries: number) => void,
  ) {
    super(migrationOptions(settings));
  }

  /** @returns those of the last try; each has a transaction of its own, so that an earlier one keeps what it has done */
  override async runMigrations(options?: Parameters<DataSource['runMigrations']>[0]) {
    await this.refuseEncoding();
    const { logger } = this;
    const log = logger.logMigration.bind(logger);
    for (let tries = 1; ; tries += 1) {
      // TypeORM names the migration that failed, in a line for each try.
      const lines: string[] = [];
      logger.logMigration = (line) => lines.push(line);
      try {
        return await super.runMigrations({ ...options, transaction: 'each' });
      } catch (error) {
        if (!isLocked(error)) {
          lines.forEach((line) => log(line));
          throw error;
        }
        this.whenLocked(tries);
        await sleep(PAUSE_MS);
      }
    }
  }

  /** Before the first migration: one in the middle would fail, and leave half of a schema. */
  private async refuseEncoding(): Promise<void> {
    const [{ encoding }] = await this.query<[{ encoding: string }]>(
      `SELECT current_setting('server_encoding') AS encoding`,
    );
    const unfit = unfitEncoding(encoding);
    if (unfit) throw new Error(`The database ${unfit}.`);
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof QueryFailedError && 'code' in error && error.code === LOCK_NOT_AVAILABLE;
}
