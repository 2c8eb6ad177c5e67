import { constants } from 'node:fs';
import { FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Settlement } from '../token-usage';

const SUFFIX = '.ndjson';
/** An empty file can be made on a full disk, too. */
const PROBE_BYTES = 4_096;
const LINE_END = 0x0a;
const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } = constants;

/** One process' settlements on disk, a JSON object a line; for its owner's eyes only. */
export class SpoolFile {
  private handle: FileHandle | null = null;
  /** Bytes that survive a loss of power. */
  private safe = 0;
  /** Whether more than that may lie there: of a write that failed, nobody knows how much. */
  private torn = false;

  private constructor(
    private readonly directory: string,
    /** Id of the process that writes it. */
    readonly owner: string,
  ) {}

  static of(directory: string, owner: string): SpoolFile {
    return new SpoolFile(directory, owner);
  }

  static async all(directory: string): Promise<SpoolFile[]> {
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => new SpoolFile(directory, basename(name, SUFFIX)));
  }

  /** @throws Error when the directory cannot be made, or nothing can be kept in it */
  static async prepare(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const probe = join(directory, `.probe-${process.pid}-${performance.now()}`);
    const handle = await open(probe, 'wx', 0o600);
    try {
      await handle.writeFile(Buffer.alloc(PROBE_BYTES));
      await handle.datasync();
    } finally {
      await handle.close();
      await rm(probe);
    }
  }

  /** Where the one after it is written, which a process that was killed may have left. */
  private get nextPath(): string {
    return `${this.path}.next`;
  }

  get path(): string {
    return join(this.directory, `${this.owner}${SUFFIX}`);
  }

  /**
   * Resolves when the lines survive a loss of power; when it rejects, none of them is there for good.
   * @returns bytes written
   */
  async append(settlements: readonly Settlement[]): Promise<number> {
    this.handle ??= await open(this.path, O_APPEND | O_CREAT | O_WRONLY, 0o600);
    // Behind half a line, as a full disk leaves it, a whole one could not be read.
    if (this.torn) await this.handle.truncate(this.safe);
    this.torn = true;
    const text = textOf(settlements);
    await this.handle.appendFile(text);
    await this.handle.datasync();
    if (this.safe === 0) await syncDirectory(this.directory);
    const bytes = Buffer.byteLength(text);
    this.safe += bytes;
    this.torn = false;
    return bytes;
  }

  /**
   * Lets it hold these and nothing else. When it rejects, or the process ends meanwhile, it is as it was.
   * @returns its bytes
   */
  async replaceWith(settlements: readonly Settlement[]): Promise<number> {
    const text = textOf(settlements);
    const path = this.nextPath;
    const next = await open(path, O_APPEND | O_CREAT | O_TRUNC | O_WRONLY, 0o600);
    try {
      await next.appendFile(text);
      await next.datasync();
      await rename(path, this.path);
    } catch (error) {
      await next.close();
      await rm(path, { force: true });
      throw error;
    }
    await this.handle?.close();
    this.handle = next;
    this.safe = Buffer.byteLength(text);
    await syncDirectory(this.directory);
    return this.safe;
  }

  /** False when another process has taken it for a dead one's, entered what it held, and removed it. */
  async isThere(): Promise<boolean> {
    return this.handle === null || (await this.handle.stat()).nlink > 0;
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.nextPath, { force: true });
    await this.close();
  }

  /** What is written next begins a file of its own: this one is not there any more. */
  async close(): Promise<void> {
    const { handle } = this;
    this.handle = null;
    this.safe = 0;
    this.torn = false;
    await handle?.close();
  }

  /** What it holds. A last line without an end was never acknowledged; any other unreadable line is counted. */
  async read(): Promise<{ settlements: Settlement[]; unreadable: number; bytes: number }> {
    const content = await readFile(this.path);
    const lines = wholeLines(content);
    const settlements = lines.map(parse).filter((settlement) => settlement !== null);
    return {
      settlements,
      unreadable: lines.length - settlements.length,
      bytes: content.length,
    };
  }

  async size(): Promise<number> {
    return (await stat(this.path)).size;
  }

  /** Keeps it for a human to look at. @returns its new path */
  async setAside(): Promise<string> {
    const aside = `${this.path}.unreadable`;
    await rename(this.path, aside);
    return aside;
  }
}

const textOf = (settlements: readonly Settlement[]): string =>
  settlements.map((settlement) => `${JSON.stringify(settlement)}\n`).join('');

/** Cut as bytes: the last line may end within a character, and text of more than 512 MiB cannot be held in one piece. */
function wholeLines(content: Buffer): string[] {
  const lines: string[] = [];
  let start = 0;
  for (let end = content.indexOf(LINE_END); end !== -1; end = content.indexOf(LINE_END, start)) {
    lines.push(content.toString('utf8', start, end));
    start = end + 1;
  }
  return lines;
}

function parse(line: string): Settlement | null {
  try {
    const value = JSON.parse(line) as Settlement;
    return typeof value.requestId === 'string' && typeof value.usage.prompt === 'number' ? value : null;
  } catch {
    return null;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch {
    // Not every file system lets a directory be synced.
  } finally {
    await handle.close();
  }
}
