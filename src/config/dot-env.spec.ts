import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDotEnv } from './load-env';

describe('.env', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dot-env-'));
  const file = join(folder, '.env');
  const before = { ...process.env };
  const load = (text: string) => {
    writeFileSync(file, text);
    loadDotEnv(file);
    return process.env;
  };
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('sets what is not set yet, be it to nothing', () => {
    process.env.SPEC_EMPTY = '';
    expect(load('PATH=/nowhere\nSPEC_EMPTY=full\nSPEC_NEW=new\n')).toMatchObject({
      PATH: before.PATH,
      SPEC_EMPTY: '',
      SPEC_NEW: 'new',
    });
  });

  it('need not be there', () => {
    expect(() => loadDotEnv(join(folder, 'missing'))).not.toThrow();
  });

  it('is read from its first line on when an editor has put a byte order mark in front', () => {
    expect(load('\uFEFFSPEC_FIRST=1\nSPEC_SECOND=2\n')).toMatchObject({ SPEC_FIRST: '1', SPEC_SECOND: '2' });
  });

  it.each([
    ['behind text', 'SPEC_A=1\n\nSPEC_PASSWORD=correct horse#battery\n', 3],
    ['at its beginning', '# SPEC_A=x#y\nSPEC_PASSWORD=#battery', 2],
    ['behind export, and with a remark', 'export SPEC_PASSWORD = horse#battery # mine', 1],
    ['behind lines in quotes', 'SPEC_A="1\nSPEC_B=x#y\n"\r\nSPEC_PASSWORD=horse#battery\r\n', 4],
    ['behind a quote inside', "SPEC_PASSWORD=horse's#battery", 1],
    ['in quotes behind a tab', 'SPEC_PASSWORD=\t"horse#battery"', 1],
    ['in quotes behind a tab, as a remark', "SPEC_PASSWORD= \t'horse # battery'", 1],
    ['behind a byte order mark', '\uFEFFSPEC_PASSWORD=horse#battery', 1],
  ])('is refused when a value without quotes would end before its #, %s', (_where, text, line) => {
    const tell = () => load(text);
    expect(tell).toThrow(
      `Wrong setting: SPEC_PASSWORD, in line ${line} of .env, has a # without a space in front and would end there: ` +
        'put the value into quotes, right behind the =.',
    );
    expect(tell).not.toThrow(/horse|battery/);
    expect(process.env.SPEC_PASSWORD).toBeUndefined();
  });

  it.each([
    ['a remark', 'SPEC_A=correct horse # battery', 'correct horse'],
    ['a remark that begins with two', 'SPEC_A=correct horse ## battery', 'correct horse'],
    ['a remark with another one', 'SPEC_A=correct horse # no#1', 'correct horse'],
    ['a remark instead of a value', 'SPEC_A= # none', ''],
    ['double quotes', 'SPEC_A="correct horse#battery"', 'correct horse#battery'],
    ['single quotes', "SPEC_A= 'correct #horse#battery' # mine", 'correct #horse#battery'],
    ['backquotes', 'SPEC_A=`"horse"#\'battery\'`', '"horse"#\'battery\''],
    ['quotes behind spaces', 'SPEC_A=  "correct horse#battery"', 'correct horse#battery'],
    ['lines in quotes', 'SPEC_A="horse\nSPEC_B=x#y"', 'horse\nSPEC_B=x#y'],
  ])('may have a # in %s', (_where, text, value) => {
    expect(load(text).SPEC_A).toBe(value);
  });

  it.each(["SPEC_A=\thorse's # battery", "SPEC_A=\t'horse # battery"])('may have a remark in %j', (text) => {
    expect(() => load(text)).not.toThrow();
  });
});
