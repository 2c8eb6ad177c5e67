import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import { SettlementService } from '../admission/settlement.service';
import { ProcessIdentity } from '../leases/process-identity';
import { SpoolDirectory } from './spool-directory';
import { SpoolFile } from './spool-file';

/** How long a start waits for what was left: a large spool takes minutes, and has time. */
const START_WAITS_MS = 3_000;

const IS_ALIVE = `SELECT EXISTS (SELECT 1 FROM processes WHERE id::text = $1 AND lease_until > clock_timestamp())
  AS alive`;

/** Enters the settlements that dead processes left on disk, at start and then again and again. */
@Injectable()
export class SpoolAdoption implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(SpoolAdoption.name);
  private timer?: NodeJS.Timeout;
  private running = false;

  constructor(
    private readonly statements: HotStatements,
    private readonly settlements: SettlementService,
    private readonly process: ProcessIdentity,
    private readonly directory: SpoolDirectory,
    private readonly env: Env,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const others = await this.directory.others();
    if (others.length > 0) {
      this.logger.warn(
        { folders: others },
        'settlements of other databases are left on disk, for their gateways',
      );
    }
    this.timer = setInterval(() => void this.round(), this.env.PROCESS_LEASE_MS / 6).unref();
    await Promise.race([this.round(), sleep(START_WAITS_MS, undefined, { ref: false })]);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async round(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      for (const file of await this.files()) {
        if (file.owner !== this.process.id && !(await this.isAlive(file.owner))) await this.tryToAdopt(file);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'what dead processes left on disk could not be entered; trying again');
    } finally {
      this.running = false;
    }
  }

  private async files(): Promise<SpoolFile[]> {
    const folders = [await this.directory.own(), this.directory.common];
    return (await Promise.all(folders.map((folder) => SpoolFile.all(folder)))).flat();
  }

  private async isAlive(process: string): Promise<boolean> {
    const [row] = await this.statements.run<{ alive: boolean }>('is_alive', IS_ALIVE, [process]);
    return row?.alive ?? true;
  }

  /** One that cannot be read, or not entered, does not keep those behind it waiting. */
  private async tryToAdopt(file: SpoolFile): Promise<void> {
    try {
      await this.adopt(file);
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.logger.warn(
        { err: error, file: file.path },
        'what a dead process left on disk could not be entered; trying again',
      );
    }
  }

  /** Several processes may do so at once, for a settlement entered twice changes nothing. */
  private async adopt(file: SpoolFile): Promise<void> {
    const { settlements, unreadable, bytes } = await file.read();
    await this.settlements.enterAll(settlements);
    // Its owner may only have been paused, and have gone on writing.
    if ((await file.size()) !== bytes) return;
    if (unreadable > 0) {
      this.logger.error(
        { lines: unreadable, file: await file.setAside() },
        'lines of a spool are not readable',
      );
    } else await file.remove();
    this.logger.warn(
      { process: file.owner, settlements: settlements.length },
      'entered what a dead process spooled',
    );
  }
}
