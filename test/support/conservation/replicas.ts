import { emptyFolder, freePort, GatewayProcess, startProcess } from '../gateway-process';

interface Replica {
  readonly port: string;
  readonly folder: string;
  process: GatewayProcess;
}

/** Gateway processes that share a database and are killed and started again; each keeps its folder and its port. */
export class Replicas {
  private readonly all: Replica[] = [];

  constructor(private readonly settings: Readonly<Record<string, string>>) {}

  get urls(): string[] {
    return this.all.map(({ process }) => process.url);
  }

  get count(): number {
    return this.all.length;
  }

  async add(): Promise<void> {
    const [port, folder] = [String(await freePort()), emptyFolder()];
    const process = await startProcess(folder, { ...this.settings, PORT: port });
    this.all.push({ port, folder, process });
    await process.ready();
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.all[index]?.process.kill(signal);
  }

  /** SIGKILL, a pause, and a start in the same folder. */
  async killAndRestart(index: number, pauseMs: number): Promise<void> {
    const replica = this.all[index] as Replica;
    replica.process.kill('SIGKILL');
    await replica.process.ended;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    for (;;) {
      replica.process = await startProcess(replica.folder, { ...this.settings, PORT: replica.port });
      try {
        return await replica.process.ready();
      } catch (error) {
        // PostgreSQL may be away just now; anything else is a finding.
        if (!/PostgreSQL|database/i.test(String(error))) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  errors(): string {
    return this.all.map(({ process }) => process.errors()).join('');
  }
}
