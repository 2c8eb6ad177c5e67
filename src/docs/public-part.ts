import type { OpenAPIObject } from '@nestjs/swagger';
import { VERBS } from './document';
import { ENVELOPES } from './failure-responses';

type Paths = OpenAPIObject['paths'];

/** What of a document needs no credential: how to log in. Neither the fields nor the errors of other routes are in it. */
export function publicPart({ paths, tags, components, ...rest }: OpenAPIObject): OpenAPIObject {
  const open = openPaths(paths);
  const used = new Set(
    Object.values(open).flatMap((item) => VERBS.flatMap((verb) => item[verb]?.tags ?? [])),
  );
  return {
    ...rest,
    tags: tags?.filter(({ name }) => used.has(name)),
    paths: open,
    components: { ...components, schemas: schemasOf(open, components?.schemas ?? {}) },
  };
}

function openPaths(paths: Paths): Paths {
  const open: Paths = {};
  for (const [path, item] of Object.entries(paths)) {
    const verbs = VERBS.filter((verb) => item[verb]?.security?.length === 0);
    if (verbs.length > 0) open[path] = Object.fromEntries(verbs.map((verb) => [verb, item[verb]]));
  }
  return open;
}

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

/** The schemas that something leads to, and the forms of an error. */
function schemasOf(described: object, schemas: Schemas): Schemas {
  const found = new Set(Object.keys(ENVELOPES));
  const pending: unknown[] = [described];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (name === undefined || found.has(name)) continue;
      found.add(name);
      pending.push(schemas[name] ?? {});
    }
  }
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => found.has(name)));
}
