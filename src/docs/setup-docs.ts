import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerCustomOptions, SwaggerModule } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import type { Env } from '../config/env';
import { ADMIN_PAGE_SCRIPT } from './admin-page-script';
import { ApiDocument } from './api-document';
import { ERROR_LINK_SCRIPT } from './error-link-script';
import { FORGET_SECRETS_SCRIPT } from './forget-secrets-script';

// The page asks for nothing outside its own origin, and browsers are told so.
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

// Swagger UI forgot them: this label is as dark as what it stands on, and bars of PUT are brighter than all others.
const IN_THE_DARK = `
  html.dark-mode .swagger-ui .examples-select__section-label { color: #e4e6e6 }
  html.dark-mode .swagger-ui .opblock.opblock-put .opblock-section-header { background: #3a2a22 }`;

// OAuth2 clients and scopes do not exist here; their fields would only raise questions. Neither is there another
// server or document to choose.
const PAGE_CSS = `
  .swagger-ui .topbar,
  .swagger-ui .scheme-container .servers-title,
  .swagger-ui .scheme-container .servers,
  .auth-container .scope-def,
  .auth-container .wrapper:has(> label[for="password_type"]),
  .auth-container .wrapper:has(> label[for^="client_"]) { display: none }
  ${IN_THE_DARK}`;

const PAGE: SwaggerCustomOptions = {
  customSiteTitle: 'LLM User Management API',
  customCss: PAGE_CSS,
  swaggerOptions: {
    // Over a reload, without what FORGET_SECRETS_SCRIPT takes out.
    persistAuthorization: true,
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: 0,
    // Unset, the page sends the document to a validator on the Internet.
    validatorUrl: null,
  },
};

// Relative, as the rest of what the page asks for: a proxy may serve all this under a path of its own.
const FORGET_SECRETS = './docs/forget-secrets.js';
const ERROR_LINK = './docs/error-link.js';
const LOAD_DOCUMENT = './docs/load-document.js';

/** Swagger UI at /docs and the OpenAPI document at /docs-json, as DOCS_ACCESS allows. Needs DocsModule. */
export function setupDocs(app: NestExpressApplication, env: Env): void {
  if (env.DOCS_ACCESS === 'off') return;
  const document = app.get(ApiDocument);
  document.describe(app);
  app.use('/docs', (_request: Request, response: Response, next: NextFunction) => {
    response.setHeader('content-security-policy', PAGE_POLICY);
    next();
  });
  serveScript(app, FORGET_SECRETS, FORGET_SECRETS_SCRIPT);
  serveScript(app, ERROR_LINK, ERROR_LINK_SCRIPT);
  if (env.DOCS_ACCESS === 'public') {
    app.use(leadToPage);
    SwaggerModule.setup('docs', app, () => document.whole(), {
      ...PAGE,
      raw: ['json'],
      customJs: [FORGET_SECRETS, ERROR_LINK],
    });
    return;
  }
  serveScript(app, LOAD_DOCUMENT, ADMIN_PAGE_SCRIPT);
  SwaggerModule.setup('docs', app, () => document.publicPart(), {
    ...PAGE,
    raw: false,
    customJs: [FORGET_SECRETS, ERROR_LINK, LOAD_DOCUMENT],
  });
}

/** Who types only the address finds the page; no route of the API, and so in no list of them. */
function leadToPage({ method, path }: Request, response: Response, next: NextFunction): void {
  if (path === '/' && (method === 'GET' || method === 'HEAD')) {
    response.status(302).setHeader('location', 'docs').end();
  } else next();
}

/** Also where it is looked for from `/docs/`, with a slash at the end: Nest does the same for its own script. */
function serveScript(app: NestExpressApplication, relative: string, script: string): void {
  const path = relative.slice(1);
  app.use([path, `/docs${path}`], (_request: Request, response: Response) => {
    response.type('text/javascript').send(script);
  });
}
