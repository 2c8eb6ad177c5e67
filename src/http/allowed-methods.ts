import type { Express } from 'express';

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
