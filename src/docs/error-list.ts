import type { DocumentedFailure } from '../common/api-problem.decorator';

/** What a request may meet on its way to a route. */
const ANYWHERE: readonly DocumentedFailure[] = [
  { status: 400, code: 'invalid_http', message: 'The request is not valid HTTP/1.1.' },
  { status: 404, code: 'not_found', message: 'There is no such route, or nothing of that id that is yours.' },
  { status: 405, code: 'method_not_allowed', message: 'The header `Allow` names the methods of this route.' },
  { status: 408, code: 'body_timeout', message: 'The request body did not arrive in time.' },
  { status: 408, code: 'request_timeout', message: 'The headers of the request did not arrive in time.' },
  {
    status: 431,
    code: 'headers_too_large',
    message: 'The request line and headers are larger than 16 KiB, or more than 100.',
  },
  {
    status: 500,
    code: 'internal_error',
    message: 'The fault is here; `x-request-id` names the request in the log.',
  },
];

/** What a single route says of these is one cause among several; as docs/errors.md has them. */
const CAUSES: Readonly<Record<string, string>> = {
  busy:
    'Too many logins are under way or passwords being checked, this account does too much at once, or other reports are ' +
    'being added up. Repeat after `Retry-After`.',
  rate_limit_exceeded:
    'A limit on requests, or on requests at once; too many wrong passwords or registrations from this address; or too ' +
    'many changes by this account. Repeat after `Retry-After`.',
};

/** Where the `type` of a problem leads: every code once, with its causes or an example of its message, as Markdown. */
export function errorList(documented: Iterable<DocumentedFailure>): string {
  const byCode = new Map<string, DocumentedFailure>();
  for (const failure of [...ANYWHERE, ...documented]) {
    if (!byCode.has(failure.code)) byCode.set(failure.code, failure);
  }
  const rows = [...byCode.values()]
    .toSorted((one, other) => one.status - other.status || one.code.localeCompare(other.code))
    .map(
      ({ status, code, message }) =>
        `<li id="errors-${code}">${status} <code>${code}</code>: ${html(CAUSES[code] ?? message)}</li>`,
    );
  return `<details><summary>Errors, by their code</summary><ul>${rows.join('')}</ul></details>`;
}

/** In a block of HTML, Markdown's backticks stay as they are. */
function html(markdown: string): string {
  const text = markdown.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return text.replaceAll(/`([^`]*)`/g, '<code>$1</code>');
}
