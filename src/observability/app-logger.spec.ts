import { Logger } from '@nestjs/common';
import { Env } from '../config/env';
import { AppLogger } from './app-logger';

/** As the rest of the code logs: through Nest. */
function through(logger: AppLogger): Logger {
  Logger.overrideLogger(logger);
  return new Logger('Here');
}

describe('AppLogger', () => {
  let lines: Record<string, unknown>[];
  const create = (level = 'debug') => {
    lines = [];
    const env = Object.assign(new Env(), { LOG_LEVEL: level });
    return new AppLogger(env, {
      write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
    });
  };
  afterEach(() => Logger.overrideLogger(true));

  it('writes a text with the context it came from', () => {
    through(create()).log('started');
    expect(lines).toEqual([expect.objectContaining({ level: 'info', context: 'Here', msg: 'started' })]);
  });

  it('writes fields with their text', () => {
    through(create()).warn({ request_id: 'r1' }, 'slow');
    expect(lines).toEqual([
      expect.objectContaining({ level: 'warn', context: 'Here', request_id: 'r1', msg: 'slow' }),
    ]);
  });

  it('writes an error given as a field, as the message or after it', () => {
    const logger = through(create());
    logger.error({ err: new TypeError('one') }, 'failed');
    logger.error(new TypeError('two'));
    logger.error('three', new TypeError('cause'));
    expect(lines.map((line) => (line.err as { message: string }).message)).toEqual(['one', 'two', 'cause']);
  });

  it('keeps a stack that is given as text apart from the message', () => {
    through(create()).error('failed', 'Error: failed\n    at somewhere.ts:1:1');
    expect(lines).toEqual([
      expect.objectContaining({ msg: 'failed', stack: expect.stringContaining('somewhere.ts') }),
    ]);
  });

  it('censors secrets by the name of their field, one level down too', () => {
    through(create()).log(
      { password: 'canary', request: { authorization: 'canary', prompt: 'canary' } },
      'x',
    );
    expect(JSON.stringify(lines)).not.toContain('canary');
  });

  it('keeps the list of modules and routes out of a start-up log', () => {
    const logger = create('info');
    logger.log('Mapped {/users, GET} route', 'RouterExplorer');
    logger.log('listening', 'Main');
    expect(lines.map((line) => line.msg)).toEqual(['listening']);
  });
});
