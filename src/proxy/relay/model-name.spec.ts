import { underPublicName } from './model-name';

const error = (message: string, more: object = {}) =>
  JSON.stringify({ error: { message, type: 'BadRequestError', param: null, code: 400, ...more } });

describe('underPublicName', () => {
  it('changes the name in the message', () => {
    const told = error('The model `llama-3` has no window of llama-3.1.');
    const shown = error('The model `ours` has no window of llama-3.1.');
    expect(underPublicName(told, 'llama-3', 'ours')).toBe(shown);
  });

  it.each(['code', 'type', 'error', 'message'])(
    'changes nothing but the message of a model called %s',
    (name) => {
      expect(underPublicName(error(`no ${name}`), name, 'ours')).toBe(error('no ours'));
    },
  );

  it('writes a public name that JSON has to escape', () => {
    const named = underPublicName(error('no llama'), 'llama', 'my "best" \\');
    expect(JSON.parse(named)).toMatchObject({ error: { message: 'no my "best" \\', code: 400 } });
  });

  it('gives back the text as it is where the name is not in it', () => {
    const text = '{"error": {"message": "too long", "code": 400}}';
    expect(underPublicName(text, 'llama', 'ours')).toBe(text);
  });
});
