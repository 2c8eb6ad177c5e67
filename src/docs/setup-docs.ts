import type { NestExpressApplication } from '@nestjs/platform-express';
import { OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import type { Env } from '../config/env';
import { buildDocument } from './document';

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

/** Swagger UI at /docs and the OpenAPI document at /docs-json, as DOCS_ACCESS allows. */
export function setupDocs(app: NestExpressApplication, env: Env): void {
  if (env.DOCS_ACCESS === 'off') return;
  // Built when it is first asked for: most starts never need it.
  let document: OpenAPIObject | undefined;
  const built = () => (document ??= buildDocument(app, env));
  app.use('/docs', (_request: Request, response: Response, next: NextFunction) => {
    response.setHeader('content-security-policy', PAGE_POLICY);
    next();
  });
  SwaggerModule.setup('docs', app, built, {
    raw: ['json'],
    customSiteTitle: 'LLM User Management API',
    swaggerOptions: {
      persistAuthorization: true,
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      defaultModelsExpandDepth: 0,
      // Unset, the page sends the document to a validator on the Internet.
      validatorUrl: null,
    },
  });
}
