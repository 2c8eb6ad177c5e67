import { applyDecorators } from '@nestjs/common';
import { ApiProblem } from '../../common/api-problem.decorator';
import { ApiException } from '../../common/api.exception';
import { isCanceled } from '../../database/report-statements';

const NOT_SET = 'The limit is not set (a default: not for all users): what has been used so far';
const BUSY = {
  status: 503,
  code: 'busy',
  message: `${NOT_SET} counts, and reports are being added up at the moment. Please repeat the request shortly.`,
};
const TOO_LONG = {
  status: 422,
  code: 'range_too_long',
  message: `${NOT_SET} takes too long to add up. Choose a shorter window, or a limit on one user or one key.`,
};

/** Adding up for a limit waits in the line of reports, whose failures speak of reports and their ranges. */
export function backfillFailure(cause: unknown): unknown {
  if (isCanceled(cause)) return new ApiException({ ...TOO_LONG, cause });
  if (!(cause instanceof ApiException) || cause.code !== BUSY.code) return cause;
  return new ApiException({ ...BUSY, headers: cause.headers, cause });
}

/** Documents what setting a limit fails with when the usage before it cannot be added up. */
export const AddsUpUsage = (): MethodDecorator & ClassDecorator =>
  applyDecorators(...[TOO_LONG, BUSY].map(({ status, code, message }) => ApiProblem(status, code, message)));
