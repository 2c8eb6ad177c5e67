import { INestApplication, Injectable } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Env } from '../config/env';
import { buildDocument } from './document';

/** The OpenAPI document, built when it is first asked for: most starts never need it. */
@Injectable()
export class ApiDocument {
  private app: INestApplication | undefined;
  private built: OpenAPIObject | undefined;

  constructor(private readonly env: Env) {}

  /** The routes are known to the application alone, which is not there yet when providers are made. */
  describe(app: INestApplication): void {
    this.app = app;
  }

  whole(): OpenAPIObject {
    if (!this.app) throw new Error('ApiDocument.describe has not been called');
    return (this.built ??= buildDocument(this.app, this.env));
  }

  /** Only what needs no credential: how to log in. */
  publicPart(): OpenAPIObject {
    const { paths, tags, ...rest } = this.whole();
    const open = Object.entries(paths).filter(([, item]) =>
      [item.get, item.post].some((operation) => operation?.security?.length === 0),
    );
    const used = new Set(open.flatMap(([, item]) => (item.get ?? item.post)?.tags ?? []));
    return { ...rest, tags: tags?.filter(({ name }) => used.has(name)), paths: Object.fromEntries(open) };
  }
}
