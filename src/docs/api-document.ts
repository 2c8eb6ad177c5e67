import { INestApplication, Injectable } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Env } from '../config/env';
import { DescribedRoutes, describeRoutes, withErrorList } from './document';
import { publicPart } from './public-part';

/** The OpenAPI document, built when it is first asked for: most starts never need it. */
@Injectable()
export class ApiDocument {
  private app: INestApplication | undefined;
  private described: DescribedRoutes | undefined;
  private built: OpenAPIObject | undefined;

  constructor(private readonly env: Env) {}

  /** The routes are known to the application alone, which is not there yet when providers are made. */
  describe(app: INestApplication): void {
    this.app = app;
  }

  whole(): OpenAPIObject {
    return (this.built ??= withErrorList(this.routes()));
  }

  /** Only what needs no credential. */
  publicPart(): OpenAPIObject {
    const { document, failures } = this.routes();
    return withErrorList({ document: publicPart(document), failures });
  }

  private routes(): DescribedRoutes {
    if (!this.app) throw new Error('ApiDocument.describe has not been called');
    return (this.described ??= describeRoutes(this.app, this.env));
  }
}
