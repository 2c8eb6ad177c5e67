import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogOutput } from './log-output';

const LINE = `${JSON.stringify({ msg: 'x'.repeat(90) })}\n`;

let folder = '';
const open: number[] = [];
const outputs: LogOutput[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-output-'));
});
afterAll(async () => {
  outputs.forEach((output) => output.stop());
  // What is being written is on its way.
  await sleep(100);
  open.forEach((fd) => closeSync(fd));
  rmSync(folder, { recursive: true });
});

function opened(path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  open.push(fd);
  return fd;
}

function outputTo(fd: number) {
  let lost = 0;
  const output = new LogOutput({
    fd,
    gatherBytes: 8_192,
    pieceBytes: 16_384,
    mostWaitingBytes: 100_000,
    onLost: (lines) => (lost += lines),
  });
  outputs.push(output);
  return { output, lost: () => lost };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe('log lines', () => {
  it('are all there, whole and in order, a moment after they were written', async () => {
    const path = join(folder, 'log');
    const { output, lost } = outputTo(opened(path, 'a'));
    const lines = Array.from({ length: 1_000 }, (_, n) => `${JSON.stringify({ n, text: 'Zürich' })}\n`);
    for (const line of lines) output.write(line);
    await until(() => readFileSync(path, 'utf8').length === lines.join('').length);
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
    expect(lost()).toBe(0);
  });

  if (process.platform === 'linux') {
    it('on a full disk wait, and those beyond what may wait are counted and lost', async () => {
      const { output, lost } = outputTo(opened('/dev/full', 'a'));
      for (let n = 0; n < 1_500; n += 1) output.write(LINE);
      await sleep(250);
      expect(lost()).toBe(1_500 - Math.floor(100_000 / LINE.length));
    });
  }

  if (process.platform !== 'win32') {
    it('whose reader pauses wait for it; the number of those that were lost stands where they are missing', async () => {
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      const fd = opened(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      const { output, lost } = outputTo(fd);
      for (let n = 0; n < 3_000; n += 1) {
        output.write(LINE);
        if (n % 100 === 0) await sleep(1);
      }
      await sleep(250);
      const missing = lost();
      expect(missing).toBeGreaterThan(0);
      output.write('{"msg":"lost, too"}\n'.padEnd(1_000));
      let text = '';
      await until(() => {
        text += readAll(fd);
        return text.includes('"lines"');
      });
      output.write('{"msg":"read again"}\n');
      await until(() => {
        text += readAll(fd);
        return text.includes('read again');
      });
      const lines = text.trimEnd().split('\n');
      const notes = lines.filter((line) => line.includes('"lines"')).map((line) => JSON.parse(line));
      expect(notes.reduce((sum, note: { lines: number }) => sum + note.lines, 0)).toBe(lost());
      expect(lines.filter((line) => `${line}\n` === LINE)).toHaveLength(3_000 - missing);
      expect(lost()).toBe(missing + 1);
    });

    it('that a pipe has no room for at once follow as soon as it is read: bursts lose nothing', async () => {
      const pipe = join(folder, 'bursts');
      execFileSync('mkfifo', [pipe]);
      const fd = opened(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      const { output, lost } = outputTo(fd);
      // More than a pipe holds, and before what is tried again by itself all of 100 ms later.
      const BURST = Math.floor(80_000 / LINE.length);
      let read = 0;
      for (let burst = 0; burst < 8; burst += 1) {
        for (let n = 0; n < BURST; n += 1) output.write(LINE);
        const all = (burst + 1) * BURST * LINE.length;
        for (let look = 0; look < 8 && read < all; look += 1) {
          await sleep(8);
          read += readAll(fd).length;
        }
      }
      await until(() => {
        read += readAll(fd).length;
        return read === (8 * BURST - lost()) * LINE.length;
      });
      expect(lost()).toBe(0);
    });

    it('that are the last ones wait for their reader, and the end does not wait for one that never comes', async () => {
      const pipe = join(folder, 'last');
      execFileSync('mkfifo', [pipe]);
      const fd = opened(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      const { output, lost } = outputTo(fd);
      // More than a pipe holds.
      const count = Math.floor(90_000 / LINE.length);
      for (let n = 0; n < count; n += 1) output.write(LINE);
      output.writeNow('stopped\n');
      await output.lastWords();
      let text = readAll(fd);
      expect(text).not.toContain('stopped');
      const ended = output.lastWords();
      while (!text.includes('stopped')) {
        text += readAll(fd);
        await sleep(1);
      }
      await ended;
      expect([text, lost()]).toEqual([`${LINE.repeat(count)}stopped\n`, 0]);
    });

    it('whose reader has gone are not kept for it', async () => {
      const pipe = join(folder, 'left');
      execFileSync('mkfifo', [pipe]);
      const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
      const { output, lost } = outputTo(opened(pipe, constants.O_WRONLY | constants.O_NONBLOCK));
      closeSync(reader);
      for (let n = 0; n < 100; n += 1) output.write(LINE);
      await until(() => lost() >= 100);
      expect(lost()).toBe(100);
    });
  }
});

function readAll(fd: number): string {
  const buffer = Buffer.alloc(65_536);
  try {
    return buffer.subarray(0, readSync(fd, buffer)).toString();
  } catch {
    return '';
  }
}
