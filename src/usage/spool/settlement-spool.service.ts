import { join, resolve } from 'node:path';
import { Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { Env } from '../../config/env';
import { ConfigurationError } from '../../config/load-env';
import { GroupCommit } from '../admission/group-commit';
import { ProcessIdentity } from '../leases/process-identity';
import type { Settlement } from '../token-usage';
import { SpoolFile } from './spool-file';

/** Spooled settlements lie in this folder of DATA_DIR, a file a process. */
export const spoolDirectory = (env: Env): string => join(resolve(env.DATA_DIR), 'spool');

/** Asks for the file to be removed, in turn with what is written to it. */
const CLEAR = Symbol('clear');

/** Keeps settlements on disk, and in memory, for as long as PostgreSQL does not take them. */
@Injectable()
export class SettlementSpool implements OnModuleInit {
  private readonly logger = new Logger(SettlementSpool.name);
  private readonly entries = new Map<string, Settlement>();
  /** Those of them that are not on disk: not yet, or because it failed. */
  private readonly unwritten = new Map<string, Settlement>();
  private readonly file: SpoolFile;
  private readonly writes: GroupCommit<Settlement | typeof CLEAR, true>;
  private bytes = 0;
  private failed = false;

  constructor(
    private readonly env: Env,
    process: ProcessIdentity,
  ) {
    this.file = SpoolFile.of(spoolDirectory(env), process.id);
    this.writes = new GroupCommit<Settlement | typeof CLEAR, true>({
      commit: (batch) => this.write(batch),
      maxBatch: 1_024,
      lanes: 1,
      isolates: () => false,
    });
  }

  async onModuleInit(): Promise<void> {
    const directory = spoolDirectory(this.env);
    await SpoolFile.prepare(directory).catch((error: Error) => {
      throw new ConfigurationError(
        `Settlements cannot be kept in ${directory} (${error.message}): set DATA_DIR to a directory that can be written.`,
      );
    });
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
    }
  }

  /** Takes out what is committed now. */
  async remove(requestId: string): Promise<void> {
    this.unwritten.delete(requestId);
    if (!this.entries.delete(requestId) || this.entries.size > 0) return;
    await this.writes
      .submit(CLEAR)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'an empty spool stays on disk'));
  }

  holds(requestId: string): boolean {
    return this.entries.has(requestId);
  }

  held(): Settlement[] {
    return [...this.entries.values()];
  }

  /** Whether nothing more may be admitted, since its settlement could not be kept. */
  get isFull(): boolean {
    return this.failed || this.bytes >= this.env.SPOOL_MAX_BYTES;
  }

  private async write(batch: readonly (Settlement | typeof CLEAR)[]): Promise<true[]> {
    if (this.entries.size === 0) {
      await this.file.remove();
      this.bytes = 0;
    } else {
      if (!(await this.file.isThere())) await this.beginAnew();
      await this.writeWhatIsNotThere();
    }
    this.failed = false;
    return batch.map(() => true);
  }

  private async beginAnew(): Promise<void> {
    await this.file.close();
    this.bytes = 0;
    for (const [requestId, settlement] of this.entries) this.unwritten.set(requestId, settlement);
  }

  private async writeWhatIsNotThere(): Promise<void> {
    const settlements = [...this.unwritten.values()];
    if (settlements.length === 0) return;
    this.bytes += await this.file.append(settlements);
    for (const { requestId } of settlements) this.unwritten.delete(requestId);
  }
}
