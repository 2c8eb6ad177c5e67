import { Inject, Injectable, LoggerService } from '@nestjs/common';
import { DestinationStream, Logger, pino } from 'pino';
import { Env } from '../config/env';
import { serializeError } from './error-serializer';
import { isoTime } from './iso-time';
import { scrub } from './scrub';

/** Where log lines go: stdout, and in tests what they put in its place. */
export const LOG_OUTPUT = Symbol('LOG_OUTPUT');

// Names under which a secret or a prompt could slip into a log object, at the top or one level down.
const SECRET_FIELDS = [
  'password',
  'new_password',
  'current_password',
  'access_token',
  'refresh_token',
  'api_key',
  'key',
  'token',
  'secret',
  'authorization',
  'cookie',
  'headers',
  'body',
  'messages',
  'prompt',
  'parameters',
];

/** Nest tells of every module and route it finds: not what an operator looks for at a start. */
const FRAMEWORK: ReadonlySet<string> = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Nest's logger over pino: one JSON object a line, without secrets, prompts or headers. */
@Injectable()
export class AppLogger implements LoggerService {
  private readonly pino: Logger;

  constructor(
    env: Env,
    @Inject(LOG_OUTPUT) private readonly output: DestinationStream,
  ) {
    this.pino = pino(
      {
        level: env.LOG_LEVEL,
        base: undefined,
        timestamp: () => `,"time":"${isoTime()}"`,
        formatters: { level: (label: string) => ({ level: label }) },
        serializers: { err: (error: unknown) => serializeError(error) },
        redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '…' },
      },
      output,
    );
  }

  /**
   * A line of a closed list of harmless fields, as pino would write it; for the one line that each request has. Spares the
   * search for secrets, and half of what a line costs.
   */
  closed(level: 'debug' | 'info', fields: object, message: string): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const inner = JSON.stringify(fields).slice(1, -1);
    this.output.write(`{"level":"${level}","time":"${isoTime()}",${inner},"msg":"${message}"}\n`);
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write('info', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest's order is (message or fields, …more, context); `error` may pass a stack before the context. */
  private write(
    level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal',
    first: unknown,
    rest: unknown[],
  ): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const texts = rest.filter((part) => typeof part === 'string');
    const context = texts.pop();
    if (level === 'info' && FRAMEWORK.has(context ?? '')) return this.write('debug', first, rest);
    const stack = texts.find((text) => /\n\s+at /.test(text));
    const failure = [first, ...rest].find((part) => part instanceof Error);
    const text = typeof first === 'string' ? first : texts.find((part) => part !== stack);
    const fields = typeof first === 'object' && first !== null && !(first instanceof Error) ? first : {};
    this.pino[level](
      {
        ...fields,
        ...(context === undefined ? {} : { context }),
        ...(failure === undefined ? {} : { err: failure }),
        ...(stack === undefined ? {} : { stack: scrub(stack) }),
      },
      text === undefined ? undefined : scrub(text),
    );
  }
}
