import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataDirectory } from './data-directory';

describe('DATA_DIR', () => {
  const folder = mkdtempSync(join(tmpdir(), 'data-directory-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const rightsOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

  it('is made with all directories above it, for its owner alone', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 10 }, () => new DataDirectory(path).ensure()));
    expect(rightsOf(path)).toBe('700');
  });

  it('keeps the first of many texts that come at once, and everybody gets that one', async () => {
    const path = join(folder, 'race');
    const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
    const kept = await Promise.all(texts.map((text) => new DataDirectory(path).keepFirst('secret', text)));
    expect(new Set(kept).size).toBe(1);
    expect(readFileSync(join(path, 'secret'), 'utf8')).toBe(`${kept[0]}\n`);
    expect(rightsOf(join(path, 'secret'))).toBe('600');
    expect(readdirSync(path)).toEqual(['secret']);
  });

  it('takes from others the right to read a secret that was restored carelessly', async () => {
    const directory = new DataDirectory(join(folder, 'restored'));
    writeFileSync(join(await directory.ensure(), 'secret'), 'restored\n', { mode: 0o644 });
    expect(await directory.keepFirst('secret', 'another')).toBe('restored');
    expect(rightsOf(join(directory.path, 'secret'))).toBe('600');
  });

  it('replaces a file whole', async () => {
    const directory = new DataDirectory(join(folder, 'replaced'));
    await directory.put('note', 'one');
    expect(readFileSync(await directory.put('note', 'two'), 'utf8')).toBe('two\n');
    expect(readdirSync(directory.path)).toEqual(['note']);
  });

  it('says why it cannot be used', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(new DataDirectory(join(folder, 'file')).ensure()).rejects.toThrow(
      'there is a file of that name',
    );
    await expect(new DataDirectory(join(folder, 'file', 'x')).ensure()).rejects.toThrow(
      'a part of this path is',
    );
  });
});
