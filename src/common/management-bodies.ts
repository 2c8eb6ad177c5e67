import { json, NextFunction, Request, RequestHandler, Response, urlencoded } from 'express';
import { ApiException } from './api.exception';

/** Enough for every management route; the metered routes read their own bodies, after the guards. */
const LIMIT = '16kb';
/** More than any body of these routes has. What checks their fields goes down as far as there are levels. */
const MOST_LEVELS = 16;
const METERED = /^\/(v1|chat)(\/|$)/i;
/** RFC 6749 sends forms to the token endpoint, and nothing else here takes one. */
const TAKES_FORMS = /^\/auth\/(token|refresh)\/?$/i;

/** Parses JSON, and forms where OAuth2 has them; any other body is answered with 415 before it is read. */
export function managementBodies(): RequestHandler[] {
  const parseJson = json({ limit: LIMIT, strict: true, type: 'application/json' });
  const parseForm = urlencoded({ limit: LIMIT, extended: false, type: 'application/x-www-form-urlencoded' });
  return [
    (request: Request, response: Response, next: NextFunction) => {
      if (METERED.test(request.path) || !hasBody(request)) return next();
      if (request.is('application/json')) {
        return parseJson(request, response, (error?: unknown) =>
          next(error ?? (isDeeperThan(MOST_LEVELS, request.body) ? tooDeep() : undefined)),
        );
      }
      if (TAKES_FORMS.test(request.path) && request.is('application/x-www-form-urlencoded')) {
        return parseForm(request, response, next);
      }
      return next(
        new ApiException({
          status: 415,
          code: 'unsupported_media_type',
          message: 'Send the request as JSON with the header `content-type: application/json`.',
        }),
      );
    },
  ];
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}

const tooDeep = (): ApiException =>
  new ApiException({ status: 400, code: 'invalid_request', message: 'The body is nested too deeply.' });

function hasBody(request: Request): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  );
}
