import { ArgumentsHost, Catch, ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Env } from '../config/env';
import { FailureAnswers } from '../common/failure-answers';
import { describeFailure } from '../common/problem';
import { requestContext } from '../common/request-context';
import { databaseUnavailable, isDatabaseAway } from '../database/database-unavailable';
import { failureAnswer } from './failure-answer';

/** Shapes every failure, whatever raised it: OpenAI's envelope on /v1 and /chat, problem details elsewhere. */
@Catch()
export class GatewayExceptionFilter implements ExceptionFilter, FailureAnswers {
  private readonly logger = new Logger(GatewayExceptionFilter.name);

  constructor(private readonly env: Env) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(exception, http.getRequest<Request>(), http.getResponse<Response>());
  }

  answer(exception: unknown, request: IncomingMessage, response: ServerResponse): void {
    const failure = describeFailure(isDatabaseAway(exception) ? databaseUnavailable(exception) : exception);
    const context = requestContext(request);
    context.log = { ...context.log, code: failure.code };
    if (failure.status >= 500 && !(exception instanceof HttpException)) {
      this.logger.error({ request_id: context.requestId, err: exception }, 'request failed');
    }
    if (response.headersSent) {
      // A cut is honest; ending the response here would make a truncated answer look complete.
      response.destroy();
      return;
    }
    for (const [name, value] of Object.entries(failure.headers)) response.setHeader(name, value);
    const { path } = request as Request;
    const { type, text } = failureAnswer(path, failure, this.env.publicUrl);
    response.writeHead(failure.status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    response.end(text);
  }
}
