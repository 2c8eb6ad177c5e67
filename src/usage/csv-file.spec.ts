import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { csvFile, CsvPart } from './csv-file';

describe('csvFile', () => {
  it('reads no further for a reader who has left, also where there is nothing to give', async () => {
    let read = 0;
    const empty = (): CsvPart => ({
      lines: [],
      next: async () => {
        read += 1;
        await sleep(5);
        return read < 200 ? empty() : { lines: [], next: null };
      },
    });
    const file = csvFile('rare.csv', ['id'], empty()).getStream();
    expect(
      String(
        await file[Symbol.asyncIterator]()
          .next()
          .then(({ value }) => value as Buffer),
      ),
    ).toBe('id\r\n');
    await sleep(20);
    expect(read).toBeGreaterThan(0);
    file.destroy();
    await once(file, 'close');
    expect(read).toBeLessThan(10);
  });
});
