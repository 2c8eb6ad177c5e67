import type { Express } from 'express';
import { ApiException } from '../common/api.exception';

/** What of a layer of Express' router is read here; `@types/express` does not describe all of it. */
interface Layer {
  readonly route?: { readonly methods: Readonly<Record<string, boolean>> };
  match(path: string): unknown;
}

/** The methods of the routes at a path, as the header `Allow` lists them; none: there is no route at this path. */
export function allowedMethods(express: Express, path: string): string[] {
  const methods = new Set<string>();
  for (const layer of express.router.stack as unknown as Layer[]) {
    if (!layer.route || !layer.match(path)) continue;
    for (const [method, has] of Object.entries(layer.route.methods))
      if (has) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

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
