import { csvLine } from './csv';

describe('a line of CSV', () => {
  it('quotes what needs quotes, and writes null as nothing', () => {
    expect(csvLine(['org/"big", model', null, true, -4, 'a\nb'])).toBe(
      '"org/""big"", model",,true,-4,"a\nb"\r\n',
    );
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '=HYPERLINK("http://x","y")'])(
    'makes a text of %j, whatever a spreadsheet thinks',
    (text) => {
      expect(csvLine([text]).replaceAll('"', '')).toMatch(/^'/);
    },
  );

  it.each([
    ['x;=1+1;', `"x;'=1+1;"`],
    ['x; @SUM(A1)', `"x; '@SUM(A1)"`],
    ['x\t+1', `"x\t'+1"`],
    ['x|-1|=2', `"x|'-1|'=2"`],
    ['x\n=1', `"x\n'=1"`],
    ['x;＝1', `"x;'＝1"`],
    ['x;"=1', `"x;""'=1"`],
    [';=1', `";'=1"`],
  ])('makes a text of what follows another separator in %j', (text, field) => {
    expect(csvLine([text])).toBe(`${field}\r\n`);
  });

  it('leaves what is harmless after one, in quotes', () => {
    expect(csvLine(['a;b', 'a|b=c'])).toBe('"a;b","a|b=c"\r\n');
  });

  it('leaves texts alone that only hold such a character', () => {
    expect(csvLine(['a=b', 'org/model-7', 'me@example.com'])).toBe('a=b,org/model-7,me@example.com\r\n');
  });
});
