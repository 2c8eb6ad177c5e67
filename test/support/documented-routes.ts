import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Express } from 'express';
import type { TestGateway } from './gateway';

/** What the document says of a route. */
export interface DocumentedRoute {
  readonly verb: string;
  /** As the document has it, such as /admin/users/{id}. */
  readonly path: string;
  /** The credentials it takes; none: it is public. */
  readonly takes: readonly string[];
}

const VERBS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;

/** All routes of the OpenAPI document, as the gateway itself serves it. */
export async function documentedRoutes(gateway: Pick<TestGateway, 'get'>): Promise<DocumentedRoute[]> {
  const { paths } = (await (await gateway.get('/docs-json', '')).json()) as OpenAPIObject;
  return Object.entries(paths).flatMap(([path, item]) =>
    VERBS.flatMap((verb) => {
      const operation = item[verb];
      const takes = operation?.security?.flatMap((requirement) => Object.keys(requirement)) ?? ['?'];
      return operation ? [{ verb: verb.toUpperCase(), path, takes }] : [];
    }),
  );
}

/** All routes Express has, as `GET /admin/users/{id}`. */
export function registeredRoutes(app: NestExpressApplication): string[] {
  const { router } = app.getHttpAdapter().getInstance() as Express;
  return router.stack.flatMap(({ route }) => {
    if (!route) return [];
    const { methods } = route as unknown as { methods: Record<string, boolean> };
    const path = route.path.replaceAll(/[:*](\w+)/g, '{$1}');
    return Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`);
  });
}
