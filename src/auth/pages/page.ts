import { createHash } from 'node:crypto';
import { applyDecorators, Header } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import type { Env } from '../../config/env';
import { PAGE_SCRIPT } from './page-script';
import { PAGE_STYLE } from './page-style';

const SERVICE = 'LLM User Management API';

/** A page that a link leads to, on which a password is chosen: the same for everybody, and it knows nothing of the link. */
export interface Page {
  /** Says what the settings say: where it belongs, the rules for passwords, and whether there is documentation. */
  html(env: Env): string;
  /** Its script, its style and requests to its own origin: nothing else runs or is asked. */
  readonly policy: string;
}

interface Content {
  readonly title: string;
  /** Comes after `PAGE_SCRIPT`, and uses what is defined there. */
  readonly script: string;
  /** One hidden form, one element with the role `status`, and a hidden section for when all has gone well. */
  body(env: Env): string;
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export function makePage({ title, script: own, body }: Content): Page {
  const script = PAGE_SCRIPT + own;
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(PAGE_STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  const html = (env: Env): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} - ${SERVICE}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><b>${SERVICE}</b> ${asHtml(new URL(env.publicUrl).host)}</header>
<main>
<h1>${title}</h1>
${body(env).trim()}
</main>
<script>${script}</script>
</body>
</html>
`;
  return { html, policy };
}

export function asHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The headers and the documentation of a route that serves `page`. */
export const ServesPage = ({ policy }: Page): MethodDecorator =>
  applyDecorators(
    Header('content-type', 'text/html; charset=utf-8'),
    Header('content-security-policy', policy),
    Header('referrer-policy', 'no-referrer'),
    ApiOkResponse({ content: { 'text/html': { schema: { type: 'string' } } } }),
  );
