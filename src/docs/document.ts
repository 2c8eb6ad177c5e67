import type { INestApplication } from '@nestjs/common';
import {
  DocumentBuilder,
  OpenAPIObject,
  OperationObject,
  ParameterObject,
  SchemaObject,
  SwaggerModule,
} from '@nestjs/swagger';
import type { DocumentedFailure } from '../common/api-problem.decorator';
import type { Access } from '../common/access.decorator';
import type { Env } from '../config/env';
import { errorList } from './error-list';
import { ENVELOPES, failureResponses, failuresOf } from './failure-responses';
import { GENERATION_FAILURES } from './generation-failures';
import { GENERATION_OPERATIONS, GENERATION_PARAMETERS } from './generation-operations';
import { introduction, TAGS } from './introduction';
import { DocumentedRoute, operationId, routeTable } from './route-table';

const SECURITY: Readonly<Record<Access, OperationObject['security']>> = {
  session: [{ session: [] }],
  api_key: [{ 'api-key': [] }],
  session_or_api_key: [{ session: [] }, { 'api-key': [] }],
  public: [],
};

const SELF: OperationObject = {
  operationId: 'docsShow',
  tags: ['Health'],
  summary: 'This document',
  security: [],
  responses: { '200': { description: '', content: { 'application/json': { schema: { type: 'object' } } } } },
};

export const VERBS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] as const;

/** The routes, and what each may answer besides its success, for the list of errors. */
export interface DescribedRoutes {
  /** Without that list. */
  readonly document: OpenAPIObject;
  /** By their operations. */
  readonly failures: ReadonlyMap<OperationObject, readonly DocumentedFailure[]>;
}

/** The OpenAPI document of all routes. */
export function buildDocument(app: INestApplication, env: Env): OpenAPIObject {
  return withErrorList(describeRoutes(app, env));
}

/** The document with a list of the errors of its own routes at the end of its introduction. */
export function withErrorList({ document, failures }: DescribedRoutes): OpenAPIObject {
  const own = Object.values(document.paths)
    .flatMap((item) => VERBS.map((verb) => item[verb]))
    .flatMap((operation) => (operation && failures.get(operation)) ?? []);
  const description = `${document.info.description}\n\n${errorList(own)}`;
  return { ...document, info: { ...document.info, description } };
}

/**
 * Credentials and failures come from the decorators the guards read too, so the page cannot promise another door than the
 * one there is.
 */
export function describeRoutes(app: INestApplication, env: Env): DescribedRoutes {
  const routes = routeTable(app);
  const document = SwaggerModule.createDocument(app, frame(env), {
    operationIdFactory: operationId,
    autoTagControllers: false,
  });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...ENVELOPES },
  };
  // In public, the document itself is served by Swagger's module and not by a controller.
  document.paths['/docs-json'] ??= { get: SELF };
  document.paths = Object.fromEntries(generationsFirst(Object.entries(document.paths)));
  const failures = new Map<OperationObject, readonly DocumentedFailure[]>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const verb of VERBS) {
      const operation = item[verb];
      const route = operation && routes.get(operation.operationId ?? '');
      if (!operation || !route) continue;
      failures.set(operation, complete(operation, { path, verb, route, publicUrl: env.publicUrl }));
    }
  }
  return { document, failures };
}

/** Within a tag the page keeps the order of the document, and the generations are what people come for. */
function generationsFirst<T>(paths: readonly [path: string, item: T][]): [path: string, item: T][] {
  const isGeneration = ([path]: readonly [string, T]): boolean => `post ${path}` in GENERATION_OPERATIONS;
  return [...paths.filter(isGeneration), ...paths.filter((path) => !isGeneration(path))];
}

function frame(env: Env): Omit<OpenAPIObject, 'paths'> {
  // Without PUBLIC_URL: wherever this document was fetched from. A path alone would lose the one of PUBLIC_URL.
  const base = env.PUBLIC_URL ? env.publicUrl : '';
  const builder = new DocumentBuilder()
    .setTitle('LLM User Management API')
    .setDescription(introduction(env))
    .setVersion('1')
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addOAuth2(
      {
        type: 'oauth2',
        description: 'Username and password; for the routes that manage',
        flows: {
          password: { tokenUrl: `${base}/auth/token`, refreshUrl: `${base}/auth/refresh`, scopes: {} },
        },
      },
      'session',
    )
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'llmk_…',
        description:
          'An API key (`llmk_…`); for /v1. Programs may send it in the header `x-api-key` instead.',
      },
      'api-key',
    );
  for (const [name, description] of TAGS) builder.addTag(name, description);
  builder.addServer(base || '/');
  return builder.build();
}

/** Adds what is known of the route. @returns its failures */
function complete(
  operation: OperationObject,
  { path, verb, route, publicUrl }: { path: string; verb: string; route: DocumentedRoute; publicUrl: string },
): DocumentedFailure[] {
  operation.security = SECURITY[route.access];
  const generation = GENERATION_OPERATIONS[`${verb} ${path}`];
  if (generation) {
    operation.summary = generation.summary;
    operation.description = generation.description;
    operation.parameters = [...GENERATION_PARAMETERS];
    operation.requestBody = generation.requestBody;
    operation.responses = { '200': generation.success };
  }
  const known = generation ? { ...route, failures: [...route.failures, ...GENERATION_FAILURES] } : route;
  const failures = failuresOf(known, {
    hasBody: operation.requestBody !== undefined && !generation,
    refusesParameters: route.access === 'session' && !generation,
    changes: verb !== 'get' && !generation,
    // Whoever needs no credential reads pages and texts that are the same for everybody.
    touchesDatabase: route.access !== 'public' || verb !== 'get',
    uuids: uuidsOf(operation),
  });
  operation.responses = { ...operation.responses, ...failureResponses(path, failures, publicUrl) };
  return failures;
}

/** As UuidParam has told them. */
function uuidsOf({ parameters = [] }: OperationObject): string[] {
  return (parameters as ParameterObject[])
    .filter((parameter) => parameter.in === 'path' && (parameter.schema as SchemaObject).format === 'uuid')
    .map(({ name }) => name);
}
