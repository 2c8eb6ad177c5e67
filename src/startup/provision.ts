import { Env } from '../config/env';
import { standardOutput } from '../observability/standard-outputs';
import { connectionShortage } from './connections-needed';
import { DataDirectory } from './data-directory';
import { provideDatabase } from './database';
import { bringSchemaUpToDate } from './migrations';
import { productionRefusal } from './production-refusals';
import { provideSecrets } from './secrets';
import { provideUpstream } from './simulator';
import { StartupFailure } from './startup-failure';
import { StartupLog } from './startup-log';

/** What the gateway stands on. `stop` ends what was started for it, the last one first, however far it came. */
export class Provision {
  readonly directory: DataDirectory;
  readonly log: StartupLog;
  /** Where the embedded database is; null when another one is used. */
  embeddedDatabase: string | null = null;
  generatedSecrets: readonly string[] = [];
  private readonly stops: (() => Promise<void>)[] = [];

  constructor(readonly env: Env) {
    this.directory = new DataDirectory(env.DATA_DIR);
    this.log = new StartupLog(env, (text) => standardOutput(env).writeNow(text));
  }

  /**
   * Fills in what is not set: secrets, a database with today's schema, an upstream.
   * @param proceed called between the steps; it throws when the start is to be given up
   * @throws StartupFailure
   */
  async prepare(proceed: () => void): Promise<void> {
    const refusal = productionRefusal(this.env);
    if (refusal) throw new StartupFailure(refusal);
    this.generatedSecrets = await provideSecrets(this.env, this.directory);
    proceed();
    const database = await provideDatabase(this.env, this.directory, this.log);
    const { url, embeddedIn, connections, unsafe } = database;
    this.stops.push(database.stop);
    this.embeddedDatabase = embeddedIn;
    const shortage = connectionShortage(this.env, connections, embeddedIn !== null);
    if (shortage) this.log.line(shortage);
    if (unsafe)
      this.log.line(`the database has ${unsafe} off: what was settled last may be lost if its machine fails`);
    proceed();
    await bringSchemaUpToDate({
      url,
      migrate: this.env.MIGRATE_ON_START ?? embeddedIn !== null,
      log: this.log,
      proceed,
    });
    proceed();
    this.stops.push(await provideUpstream(this.env));
    proceed();
  }

  async stop(): Promise<void> {
    for (let stop = this.stops.pop(); stop; stop = this.stops.pop()) await stop();
  }
}
