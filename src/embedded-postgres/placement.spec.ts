import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { existingPlace, placeOf } from './placement';

let folder = '';
let dataDir = '';

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'placement-')));
  dataDir = join(folder, 'postgres');
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const asUser = (uid: number) => jest.spyOn(process, 'getuid' as never).mockReturnValue(uid as never);
const ours = () => statSync(folder).uid + 1_000;

describe('the database of an ordinary user', () => {
  it('is where it was asked for', async () => {
    asUser(ours());
    expect(await placeOf(dataDir)).toEqual({ directory: dataDir, account: null, note: null });
  });

  it('is not made beside one that belongs to somebody else', async () => {
    mkdirSync(join(dataDir, 'cluster'), { recursive: true });
    asUser(ours());
    await expect(placeOf(dataDir)).rejects.toThrow(/postgres belongs to .*: start as .*, or as root\.$/);
  });

  it('is not made where root has one somewhere else', async () => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(join(elsewhere, 'cluster'), { recursive: true });
    writeFileSync(`${dataDir}.location`, `${elsewhere}\n`);
    asUser(ours());
    await expect(placeOf(dataDir)).rejects.toThrow(/elsewhere belongs to .*: start as .*, or as root\.$/);
  });
});

describe('looking for a database', () => {
  it('finds none where there is none, and makes nothing', () => {
    expect(existingPlace(dataDir)).toBeNull();
    expect(existingPlace(join(folder, 'no', 'such', 'postgres'))).toBeNull();
    expect(readdirSync(folder)).toEqual([]);
  });
});
