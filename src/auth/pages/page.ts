import { createHash } from 'node:crypto';
import { applyDecorators, Header } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { passwordRules } from '../../users/password-rules';

/** A page that a link leads to, on which a password is chosen: the same for everybody, and it knows nothing of the link. */
export interface Page {
  /** Tells the rules for passwords, of which this is the shortest. */
  html(passwordMinimum: number): string;
  /** Its script, its style and requests to its own origin: nothing else runs or is asked. */
  readonly policy: string;
}

interface Content {
  readonly title: string;
  readonly script: string;
  /** Given an element with the id `rules`. */
  body(rules: string): string;
}

// The token stands behind the #, which browsers keep to themselves; it leaves them in the body of one request. That
// goes to where the page came from, whatever path a proxy puts in front. Texts are shown as text alone, never as HTML.
// Another link in the same tab differs behind the # alone, for which a browser loads nothing by itself.
const COMMON_SCRIPT = `
const form = document.querySelector('form');
const note = document.querySelector('[role=status]');
const token = location.hash.slice(1);
const say = (text, good) => {
  note.textContent = text;
  note.className = good ? 'good' : 'bad';
};
const send = (fields) =>
  fetch(location.origin + location.pathname, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(fields),
  });
const finish = () => {
  form.reset();
  form.hidden = true;
  history.replaceState(null, '', location.pathname);
};
addEventListener('hashchange', () => location.reload());
if (token === '') {
  form.hidden = true;
  say('This link is not complete (copy all of it), or it has done its work here already.', false);
}
`;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 10vh auto; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.4rem }
label { display: block; margin: 1rem 0 }
input { display: block; width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
button { padding: .5rem 1.5rem; font: inherit }
code { display: block; padding: .5rem; overflow-wrap: anywhere; user-select: all; background: #eee }
.bad { color: #a40000 } .good { color: #006400 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818 } code { background: #333 } .bad { color: #ff8a80 } .good { color: #8fd98f }
}
`;

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export function makePage({ title, script: own, body }: Content): Page {
  const script = COMMON_SCRIPT + own;
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  const html = (passwordMinimum: number): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
${body(`<p id="rules">${passwordRules(passwordMinimum)}</p>`).trim()}
<script>${script}</script>
</body>
</html>
`;
  return { html, policy };
}

/** The headers and the documentation of a route that serves `page`. */
export const ServesPage = ({ policy }: Page): MethodDecorator =>
  applyDecorators(
    Header('content-type', 'text/html; charset=utf-8'),
    Header('content-security-policy', policy),
    Header('referrer-policy', 'no-referrer'),
    ApiOkResponse({ content: { 'text/html': { schema: { type: 'string' } } } }),
  );
