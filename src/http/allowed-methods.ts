import type { Express } from 'express';
import { ApiException } from '../common/api.exception';

/** What of a route of Express' is read here; `@types/express` does not describe all of it. */
export interface Route {
  readonly path: string;
  readonly methods: Readonly<Record<string, boolean>>;
}

interface Layer {
  readonly route?: Route;
  match(path: string): unknown;
}

const layersOf = (express: Express): readonly Layer[] => express.router.stack as unknown as Layer[];

/** All routes, in the order in which they are looked for. */
export const allRoutes = (express: Express): Route[] => layersOf(express).flatMap(({ route }) => route ?? []);

/** Those at a path. */
export const routesAt = (express: Express, path: string): Route[] =>
  layersOf(express).flatMap((layer) => (layer.route && layer.match(path) ? layer.route : []));

/** As the header `Allow` lists them. */
export function methodsOf(routes: readonly Route[]): string[] {
  const methods = new Set<string>();
  for (const route of routes) {
    for (const [method, has] of Object.entries(route.methods)) if (has) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

/** The methods of the routes at a path; none: there is no route at this path. */
export const allowedMethods = (express: Express, path: string): string[] =>
  methodsOf(routesAt(express, path));

export function methodNotAllowed(method: string, allowed: readonly string[]): ApiException {
  return new ApiException({
    status: 405,
    code: 'method_not_allowed',
    message:
      allowed.length > 0
        ? `This path does not take ${method}; it takes ${allowed.join(', ')}.`
        : `${method} is not served here.`,
    headers: { allow: allowed.join(', ') },
  });
}
