import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor, QueryFailedError } from 'typeorm';
import { migrationOptions } from './data-source-options';
import { withMigrationLock } from './migration-lock';
import { unfitEncoding } from './unfit-settings';

/** Between two tries the requests that queued behind the first one are served. */
const PAUSE_MS = 3_000;
const LOCK_NOT_AVAILABLE = '55P03';

/** A migration itself, and not what leads to it: no turn was had, or no connection. `message` is PostgreSQL's. */
export class MigrationFailure extends Error {
  constructor(override readonly cause: Error) {
    super(cause.message, { cause });
  }
}

interface MigrationSettings {
  readonly url: string;
  readonly applicationName?: string;
  /** Told what is waited for. */
  readonly log: (line: string) => void;
  /** Called between the tries while another process migrates, or reads a table; what it throws ends them. */
  readonly proceed?: () => void;
}

/**
 * What changes the schema, at a start and for the migration commands, one process at a time. A migration that does not get
 * a table at once, as beside a backup, gives up its place in the queue, where every request would be behind it, and is
 * tried again.
 */
export class MigrationDataSource extends DataSource {
  constructor(private readonly settings: MigrationSettings) {
    super(migrationOptions(settings));
  }

  /**
   * @returns all that it ran; each has a transaction of its own, so that a try that fails keeps what it has done
   * @throws MigrationFailure when it is one of them that fails
   */
  override async runMigrations(options?: Parameters<DataSource['runMigrations']>[0]) {
    await this.refuseEncoding();
    return this.inTurn(async () => {
      const missing = await new MigrationExecutor(this).getPendingMigrations();
      await this.tryUntilDone({ ...options, transaction: 'each' });
      return missing;
    });
  }

  override async undoLastMigration(options?: Parameters<DataSource['undoLastMigration']>[0]) {
    return this.inTurn(() => super.undoLastMigration(options));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    return withMigrationLock(this.settings, work);
  }

  private async tryUntilDone(options: Parameters<DataSource['runMigrations']>[0]): Promise<void> {
    const { logger } = this;
    const log = logger.logMigration.bind(logger);
    for (let tries = 1; ; tries += 1) {
      // TypeORM names the migration that failed, in a line for each try.
      const lines: string[] = [];
      logger.logMigration = (line) => lines.push(line);
      try {
        await super.runMigrations(options);
        return;
      } catch (error) {
        if (!isLocked(error)) {
          lines.forEach((line) => log(line));
          throw new MigrationFailure(error as Error);
        }
        if (tries === 1) {
          this.settings.log(
            'waiting for other sessions to let go of a table that a migration changes; it is tried again and again',
          );
        }
        this.settings.proceed?.();
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
    if (unfit) throw new Error(`The database ${unfit}`);
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof QueryFailedError && 'code' in error && error.code === LOCK_NOT_AVAILABLE;
}
