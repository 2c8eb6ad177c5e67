import { Injectable, Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Env } from '../../config/env';
import { ConfigurationError } from '../../config/load-env';
import { GroupCommit } from '../admission/group-commit';
import { ProcessIdentity } from '../leases/process-identity';
import type { Settlement } from '../token-usage';
import { SpoolDirectory } from './spool-directory';
import { SpoolFile } from './spool-file';

/** Asks for the file to be as it should, in turn with what is written to it: removed, when there is nothing to be in it. */
const TIDY = Symbol('tidy');

/** How soon a disk that has failed is tried again, in milliseconds. */
const RETRY_MS = 2_000;

/** Lines of a file from which on it is looked at, and how many there have to be of each that is still held. */
const WORTH_REWRITING = 1_000;
const MOSTLY_COMMITTED = 4;

/** Keeps settlements on disk, and in memory, for as long as PostgreSQL does not take them. */
@Injectable()
export class SettlementSpool implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SettlementSpool.name);
  private readonly entries = new Map<string, Settlement>();
  /** Those of them that are not on disk: not yet, or because it failed. */
  private readonly unwritten = new Map<string, Settlement>();
  private ownFile: SpoolFile | null = null;
  private readonly writes: GroupCommit<Settlement | typeof TIDY, true>;
  private bytes = 0;
  private lines = 0;
  private failed = false;
  private retrying?: NodeJS.Timeout;

  constructor(
    private readonly env: Env,
    private readonly directory: SpoolDirectory,
    private readonly process: ProcessIdentity,
  ) {
    this.writes = new GroupCommit<Settlement | typeof TIDY, true>({
      commit: (batch) => this.write(batch),
      maxBatch: 1_024,
      lanes: 1,
      isolates: () => false,
    });
  }

  async onModuleInit(): Promise<void> {
    const directory = await this.directory.own();
    await SpoolFile.prepare(directory).catch((error: Error) => {
      throw new ConfigurationError(
        `Settlements cannot be kept in ${directory} (${error.message}): set DATA_DIR to a directory that can be written.`,
      );
    });
  }

  /** The file stays as long as there is something in it, for the next process; what it was not given yet is tried once more. */
  async onApplicationShutdown(): Promise<void> {
    if (this.ownFile) await this.writes.submit(TIDY).catch(() => undefined);
    clearTimeout(this.retrying);
    await this.ownFile?.close();
  }

  /** Resolves when it is safe on disk. When the disk fails it is still held in memory, and the next write has it too. */
  async append(settlement: Settlement): Promise<void> {
    this.entries.set(settlement.requestId, settlement);
    this.unwritten.set(settlement.requestId, settlement);
    try {
      await this.writes.submit(settlement);
    } catch (error) {
      this.failed = true;
      // Everything needed to enter it by hand is in the line.
      this.logger.error({ err: error, settlement }, 'a settlement could not be written to the spool');
      this.retryLater();
    }
  }

  /** Takes out what is committed now. */
  async remove(requestId: string): Promise<void> {
    this.unwritten.delete(requestId);
    if (!this.entries.delete(requestId) || this.entries.size > 0) return;
    await this.writes.submit(TIDY).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'an empty spool stays on disk');
      this.retryLater();
    });
  }

  /** Nothing may be left to be written, and nothing more is admitted: no other write would find the disk well again. */
  private retryLater(): void {
    this.retrying ??= setTimeout(() => {
      this.retrying = undefined;
      this.writes.submit(TIDY).then(
        () => this.logger.log('the disk of the spool works again'),
        () => this.retryLater(),
      );
    }, RETRY_MS).unref();
  }

  holds(requestId: string): boolean {
    return this.entries.has(requestId);
  }

  get isEmpty(): boolean {
    return this.entries.size === 0;
  }

  held(): Settlement[] {
    return [...this.entries.values()];
  }

  /** Whether nothing more may be admitted, since its settlement could not be kept. */
  get isFull(): boolean {
    return this.failed || this.bytes >= this.env.SPOOL_MAX_BYTES;
  }

  private async write(batch: readonly (Settlement | typeof TIDY)[]): Promise<true[]> {
    const directory = await this.directory.own();
    this.ownFile ??= SpoolFile.of(directory, this.process.id);
    const file = this.ownFile;
    if (this.entries.size === 0) {
      await file.remove();
      this.bytes = 0;
      this.lines = 0;
      // A full disk lets files be removed.
      if (this.failed) await SpoolFile.prepare(directory);
    } else {
      // Its folder may be gone.
      if (this.failed) await SpoolFile.prepare(directory);
      if (!(await file.isThere())) await this.beginAnew(file);
      await this.writeWhatIsNotThere(file);
    }
    this.failed = false;
    return batch.map(() => true);
  }

  private async beginAnew(file: SpoolFile): Promise<void> {
    await file.close();
    this.bytes = 0;
    this.lines = 0;
    for (const [requestId, settlement] of this.entries) this.unwritten.set(requestId, settlement);
  }

  private async writeWhatIsNotThere(file: SpoolFile): Promise<void> {
    const settlements = [...this.unwritten.values()];
    if (settlements.length === 0) return;
    this.bytes += await file.append(settlements);
    this.lines += settlements.length;
    for (const { requestId } of settlements) this.unwritten.delete(requestId);
    if (this.lines >= WORTH_REWRITING && this.lines >= MOSTLY_COMMITTED * this.entries.size)
      await this.writeAnew(file);
  }

  /**
   * While PostgreSQL is slow there is always something held: what was committed long ago would fill the file, and
   * whoever finds it would enter all of that again.
   */
  private async writeAnew(file: SpoolFile): Promise<void> {
    const settlements = [...this.entries.values()];
    try {
      this.bytes = await file.replaceWith(settlements);
    } catch (error) {
      this.logger.warn({ err: error }, 'a spool could not be written anew, and stays as it is');
      return;
    }
    this.lines = settlements.length;
    for (const { requestId } of settlements) this.unwritten.delete(requestId);
  }
}
