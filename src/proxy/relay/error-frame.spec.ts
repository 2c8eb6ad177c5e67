import { sanitiseErrorFrame } from './error-frame';

describe('sanitiseErrorFrame', () => {
  it.each([['escaped'], ['not escaped']])('leaves every character of the message whole: %s', (how) => {
    const json = JSON.stringify({ error: { message: 'llama: \u00e9 \u4e2d \u0122\u010a\u010a', code: 400 } });
    const sent =
      how === 'escaped'
        ? json.replaceAll(/[^\0-\x7f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
        : json;
    const names = { servedModel: 'llama', publicModel: 'ours \u00fc' };
    const seen = sanitiseErrorFrame(Buffer.from(`data: ${sent}`).toString('latin1'), names);
    expect(Buffer.from(seen, 'latin1').toString('utf8')).toBe(
      `data: ${json.replace('llama', 'ours \u00fc')}`,
    );
  });
});
