import { findScript } from './script';

describe('findScript', () => {
  it('finds a script anywhere in a text', () => {
    expect(findScript('please SIM:{"tokens":5} now')).toEqual({ tokens: 5 });
  });

  it('ends at the brace that closes the script, whatever its strings hold', () => {
    const script = { text: 'a } and a { and a " and a \\', tool: { name: 'f', arguments: { a: { b: 1 } } } };
    expect(findScript(`SIM:${JSON.stringify(script)}} and more }`)).toEqual(script);
  });

  it('takes the last script of several', () => {
    expect(findScript('SIM:{"tokens":5} SIM:{"tokens":7}')).toEqual({ tokens: 7 });
  });

  it('survives the quoting of a client that puts the text into JSON', () => {
    const body = JSON.stringify({ content: 'SIM:{"text":"say \\"hi\\""}' });
    const { content } = JSON.parse(body) as { content: string };
    expect(findScript(content)).toEqual({ text: 'say "hi"' });
  });

  it.each(['no script', 'SIM:{"tokens":', 'SIM:{tokens:5}', 'SIM: {"tokens":5}', ''])(
    'ignores what is no script: %j',
    (text) => expect(findScript(text)).toBeUndefined(),
  );
});
