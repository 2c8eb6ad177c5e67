import { isUtf8 } from 'node:buffer';
import { json, NextFunction, Request, RequestHandler, Response, urlencoded } from 'express';
import { ApiException } from './api.exception';
import { duplicateKey, standsTwice } from './json-duplicates';
import { topLevelMembers } from './json-members';

/** Enough for every management route; the metered routes read their own bodies, after the guards. */
const LIMIT = '16kb';
/** More than any body of these routes has. What checks their fields goes down as far as there are levels. */
const MOST_LEVELS = 16;
// A base URL with a slash at its end makes paths of //v1.
const METERED = /^\/+(v1|chat)(\/|$)/i;
/** RFC 6749 sends forms to the token endpoint, and nothing else here takes one. */
const TAKES_FORMS = /^\/auth\/(token|refresh)\/?$/i;

/** Parses JSON, and forms where OAuth2 has them; any other body is answered with 415 before it is read. */
export function managementBodies(): RequestHandler[] {
  const received = new WeakMap<object, Buffer>();
  const parseJson = json({
    limit: LIMIT,
    // Not so strict as to call null no JSON: what is no object is refused below.
    strict: false,
    type: 'application/json',
    verify: (request, _response, bytes, charset) => {
      if (charset !== 'utf-8') throw notJson();
      // Each byte that is none would become the same sign, in passwords too.
      if (!isUtf8(bytes)) throw notUtf8();
      received.set(request, bytes);
    },
  });
  const parseForm = urlencoded({ limit: LIMIT, extended: false, type: 'application/x-www-form-urlencoded' });
  return [
    (request: Request, response: Response, next: NextFunction) => {
      if (METERED.test(request.path) || !hasBody(request)) return next();
      if (request.is('application/json')) {
        return parseJson(request, response, (error?: unknown) =>
          next(error ?? problemOf(request.body, received.get(request))),
        );
      }
      if (TAKES_FORMS.test(request.path) && request.is('application/x-www-form-urlencoded')) {
        return parseForm(request, response, next);
      }
      return next(notJson());
    },
  ];
}

function problemOf(body: unknown, bytes: Buffer | undefined): ApiException | undefined {
  if (isDeeperThan(MOST_LEVELS, body)) return tooDeep();
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return notAnObject();
  if (!bytes) return undefined;
  const duplicate = duplicateKey(bytes, topLevelMembers(bytes, MOST_LEVELS), body as Record<string, unknown>);
  if (duplicate === null) return undefined;
  const { path: param } = duplicate;
  return new ApiException({ status: 400, code: 'invalid_request', message: standsTwice(duplicate), param });
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}

const tooDeep = (): ApiException =>
  new ApiException({ status: 400, code: 'invalid_request', message: 'The body is nested too deeply.' });

const notAnObject = (): ApiException =>
  new ApiException({ status: 400, code: 'invalid_request', message: 'The body must be a JSON object.' });

/** As what is no JSON. */
const notUtf8 = (): Error =>
  Object.assign(new Error('not UTF-8'), { status: 400, type: 'entity.parse.failed' });

const notJson = (): ApiException =>
  new ApiException({
    status: 415,
    code: 'unsupported_media_type',
    message: 'Send the request as JSON with the header `content-type: application/json`.',
  });

function hasBody(request: Request): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  );
}
