import { json, NextFunction, Request, RequestHandler, Response, urlencoded } from 'express';
import { ApiException } from './api.exception';

/** Enough for every management route; the metered routes read their own bodies, after the guards. */
const LIMIT = '16kb';
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
      if (request.is('application/json')) return parseJson(request, response, next);
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

function hasBody(request: Request): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  );
}
