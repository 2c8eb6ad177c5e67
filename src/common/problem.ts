import { HttpException } from '@nestjs/common';
import { ApiException } from './api.exception';

/** RFC 9457 problem details, as management routes answer every failure. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  param?: string;
  errors?: { field: string; message: string }[];
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  402: 'Quota used up',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timed out',
  409: 'Conflict',
  413: 'Body too large',
  415: 'Unsupported media type',
  422: 'Cannot be done',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'Internal error',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Gateway timed out',
};

const CODES: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  422: 'unprocessable',
  429: 'rate_limit_exceeded',
  503: 'unavailable',
};

/** What any thrown thing means to a client. Unknown errors become a 500 that says nothing of their inside. */
export interface Failure {
  status: number;
  code: string;
  message: string;
  param: string | null;
  type: string | null;
  headers: Readonly<Record<string, string>>;
  fieldErrors?: { field: string; message: string }[];
}

export function describeFailure(exception: unknown): Failure {
  if (exception instanceof ApiException) {
    const { code, param, type, headers, message } = exception;
    return { status: exception.getStatus(), code, message, param, type, headers };
  }
  const unreadable = unreadableRequest(exception instanceof HttpException ? exception.cause : exception);
  if (unreadable) return { ...unreadable, param: null, type: null, headers: {} };
  if (exception instanceof HttpException) {
    const status = exception.getStatus();
    const body: unknown = exception.getResponse();
    const fieldErrors = fieldErrorsOf(body);
    const message = fieldErrors
      ? fieldErrors.map((error) => error.message).join('; ')
      : status === 404 && /^Cannot [A-Z]+ /.test(exception.message)
        ? 'There is no such route.'
        : exception.message;
    return {
      status,
      code: CODES[status] ?? 'error',
      message,
      param: fieldErrors?.[0]?.field ?? null,
      type: null,
      headers: {},
      fieldErrors,
    };
  }
  const message = 'Something went wrong here. The x-request-id header names this request in the log.';
  return { status: 500, code: 'internal_error', message, param: null, type: null, headers: {} };
}

const NOT_JSON = 'The body is not valid JSON. Send one JSON object in UTF-8.';

/** In our words: those of body-parser and V8 quote the body, and with it passwords. */
const BODY_FAILURES: Readonly<Record<number, string>> = {
  400: 'The request cannot be read: its body is cut off or not what its headers say, or its path is not valid.',
  413: 'The body is larger than the 16 KiB this route accepts.',
  415: 'The body has a charset or an encoding that is not accepted; send plain JSON in UTF-8.',
};

/**
 * What body-parser and the router refuse; Nest wraps it into an exception with the same message.
 * @returns undefined for anything else
 */
function unreadableRequest(error: unknown): Pick<Failure, 'status' | 'code' | 'message'> | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined;
  const { status } = error;
  if (error instanceof URIError) {
    return {
      status,
      code: 'invalid_request',
      message: 'The path is not valid: what follows a % in it stands for no character.',
    };
  }
  // It marks what it refuses with a status, a type, and leave to show it.
  const message = 'type' in error && error.type === 'entity.parse.failed' ? NOT_JSON : BODY_FAILURES[status];
  if (!message || !('expose' in error) || error.expose !== true) return undefined;
  return { status, code: CODES[status] ?? 'invalid_request', message };
}

function fieldErrorsOf(body: unknown): { field: string; message: string }[] | undefined {
  if (typeof body !== 'object' || body === null || !('errors' in body) || !Array.isArray(body.errors))
    return undefined;
  return body.errors as { field: string; message: string }[];
}

/** @param publicUrl base of the documentation that explains each `type`. */
export function toProblem(failure: Failure, publicUrl: string): Problem {
  return {
    type: `${publicUrl}/docs#errors-${failure.code}`,
    title: TITLES[failure.status] ?? 'Error',
    status: failure.status,
    detail: failure.message,
    code: failure.code,
    ...(failure.param === null ? {} : { param: failure.param }),
    ...(failure.fieldErrors ? { errors: failure.fieldErrors } : {}),
  };
}
