import { serializeError } from './error-serializer';

describe('serializeError', () => {
  it('keeps type, message, frames and cause', () => {
    const logged = serializeError(new TypeError('outer', { cause: new Error('inner') }));
    expect(logged).toMatchObject({ type: 'TypeError', message: 'outer', cause: { message: 'inner' } });
    expect(logged.stack).toMatch(/^at /);
  });

  it('leaves out the parameters of a failed query and the value PostgreSQL refused', () => {
    const error = Object.assign(new Error('invalid input syntax for type uuid: "canary"'), {
      code: '22P02',
      table: 'users',
      parameters: ['canary'],
      query: 'SELECT canary',
      detail: 'Key (username)=(canary) exists',
    });
    const logged = serializeError(error);
    expect(logged).toMatchObject({ code: '22P02', table: 'users' });
    expect(JSON.stringify(logged)).not.toContain('canary');
  });

  it('leaves out the body that could not be parsed', () => {
    let caught: unknown;
    try {
      JSON.parse('{"password": canary}');
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SyntaxError);
    expect(JSON.stringify(serializeError(caught))).not.toContain('canary');
  });

  it('leaves out what is thrown and is not an Error', () => {
    expect(JSON.stringify(serializeError('canary'))).not.toContain('canary');
  });

  it('ends on an error that is its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    expect(serializeError(error).type).toBe('Error');
  });
});
