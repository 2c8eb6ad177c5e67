import { ArgumentsHost, Catch, ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Env } from '../config/env';
import { describeFailure, Failure, toProblem } from '../common/problem';
import { requestContext } from '../common/request-context';
import { toOpenAiError } from './openai-error';

const OPENAI_PATHS = /^\/(v1|chat)(\/|$)/i;
const OAUTH_PATHS = /^\/auth\/(token|refresh)\/?$/i;

/** Shapes every failure, whatever raised it: OpenAI's envelope on /v1 and /chat, problem details elsewhere. */
@Catch()
export class GatewayExceptionFilter implements ExceptionFilter {
  private readonly logger = new Logger(GatewayExceptionFilter.name);

  constructor(private readonly env: Env) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const failure = describeFailure(exception);
    if (failure.status >= 500 && !(exception instanceof HttpException)) {
      this.logger.error({ request_id: requestContext(request).requestId, err: exception }, 'request failed');
    }
    if (response.headersSent) {
      // A cut is honest; ending the response here would make a truncated answer look complete.
      response.destroy();
      return;
    }
    for (const [name, value] of Object.entries(failure.headers)) response.setHeader(name, value);
    this.answer(request.path, response, failure);
  }

  private answer(path: string, response: Response, failure: Failure): void {
    const [type, body] = OPENAI_PATHS.test(path)
      ? ['application/json', toOpenAiError(failure)]
      : OAUTH_PATHS.test(path)
        ? ['application/json', toOAuthError(failure)]
        : ['application/problem+json', toProblem(failure, this.env.publicUrl)];
    const text = JSON.stringify(body);
    response.writeHead(failure.status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    response.end(text);
  }
}

const OAUTH_CODES: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** RFC 6749 section 5.2; what has no code there keeps its own, as the RFC allows extensions. */
function toOAuthError(failure: Failure): { error: string; error_description: string } {
  const error = OAUTH_CODES.has(failure.code) || failure.status >= 429 ? failure.code : 'invalid_request';
  return { error, error_description: failure.message };
}
