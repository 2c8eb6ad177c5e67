import type { OpenAPIObject, ReferenceObject, RequestBodyObject, SchemaObject } from '@nestjs/swagger';
import { documentOf, NOBODYS_ID, operationsOf } from './support/documented-operations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

describe('what the documentation shows of requests', () => {
  let gateway: TestGateway;
  let document: OpenAPIObject;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    document = await documentOf(gateway);
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());

  /** What Swagger UI sends when nobody has typed or chosen anything. */
  const shownFirst = (name: string): unknown => {
    const { requestBody } = new Map(operationsOf(document)).get(name) ?? {};
    const { examples = {}, schema = {} } =
      (requestBody as RequestBodyObject | undefined)?.content['application/json'] ?? {};
    const [first] = Object.values(examples) as { value: unknown }[];
    return first ? first.value : exampleOf(schema, document);
  };

  // As Swagger UI sends them when nobody has typed anything.
  it('has bodies that are valid as they stand', async () => {
    for (const [name, { requestBody }] of operationsOf(document)) {
      const content = (requestBody as RequestBodyObject | undefined)?.content['application/json'];
      if (!content || name.includes('completions')) continue;
      const [verb, path] = name.split(' ') as [string, string];
      const target = path.replaceAll(/\{\w+\}/g, NOBODYS_ID);
      const examples = Object.values(content.examples ?? {}) as { value: unknown }[];
      for (const body of [exampleOf(content.schema ?? {}, document), ...examples.map(({ value }) => value)]) {
        const answer = await fetch(gateway.url + target, {
          method: verb,
          headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        const text = await answer.text();
        expect([name, text, /invalid_request|weak_password/.test(text)]).toEqual([name, text, false]);
      }
    }
  });

  // Written down, they would be over some day: the examples, and this test with them, would fail from then on.
  it('has times to come that will be valid for months', () => {
    const ahead = operationsOf(document).flatMap(([name, { requestBody }]) => {
      const content = (requestBody as RequestBodyObject | undefined)?.content['application/json'];
      const shown = JSON.stringify([exampleOf(content?.schema ?? {}, document), content?.examples ?? {}]);
      return (shown.match(/\d{4}-\d\d-\d\dT[\d:]+Z/g) ?? []).map((time): [string, number] => [
        name,
        (Date.parse(time) - Date.now()) / 86_400_000,
      ]);
    });
    expect(ahead.map(([name]) => name)).toEqual(
      expect.arrayContaining(['PUT /admin/limits/{id}/temporary', 'PATCH /users/me/api-keys/{id}']),
    );
    expect(ahead.filter(([, days]) => days < 120 || days > 300)).toEqual([]);
  });

  it('shows changes of nothing first, then of one field at a time, and one for each field', () => {
    const changes = operationsOf(document).filter(([name]) => name.startsWith('PATCH '));
    expect(changes.map(([name]) => name)).toEqual(
      expect.arrayContaining(['PATCH /users/me', 'PATCH /admin/users/{id}', 'PATCH /users/me/api-keys/{id}']),
    );
    for (const [name, { requestBody }] of changes) {
      const { schema, examples = {} } = (requestBody as RequestBodyObject).content['application/json'] as {
        schema: ReferenceObject;
        examples?: Record<string, { value: object }>;
      };
      const named = document.components?.schemas?.[schema.$ref.split('/').at(-1) as string];
      const { properties = {} } = (named ?? {}) as SchemaObject;
      const shown = Object.values(examples).map(({ value }) => Object.keys(value));
      expect([name, shown[0], shown.slice(1).toSorted()]).toEqual([
        name,
        [],
        Object.keys(properties)
          .map((key) => [key])
          .toSorted(),
      ]);
    }
  });

  // It takes one press of Execute to send what the page shows first.
  it.each([
    ['PUT', '/users/me/token-limit'],
    ['PATCH', '/users/me'],
    ['PUT', '/admin/limits'],
    ['PUT', '/admin/limits/default'],
  ])('begins with a body that leaves everybody what they have: %s %s', async (method, path) => {
    const { accessToken: bearer } = await gateway.registerAdmin();
    const me = () => send(`${gateway.url}/users/me`, { bearer });
    const before = (await me()).body;
    const json = shownFirst(`${method} ${path}`);
    const answer = await send(gateway.url + path, { method, bearer, json });
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    expect((await me()).body).toEqual(before);
  });

  it('tells of every id in a path that it must be a UUID, and so does the answer', async () => {
    const withIds = operationsOf(document).filter(
      ([name]) => name.includes('{') && !name.includes('/v1/models/'),
    );
    expect(withIds.length).toBeGreaterThan(20);
    for (const [name, { parameters, responses }] of withIds) {
      const [verb, path] = name.split(' ') as [string, string];
      for (const [placeholder, param] of path.matchAll(/\{(\w+)\}/g)) {
        const target = path.replace(placeholder, 'no-uuid').replaceAll(/\{\w+\}/g, NOBODYS_ID);
        const answer = await fetch(gateway.url + target, {
          method: verb,
          headers: { authorization: `Bearer ${admin.accessToken}` },
        });
        const problem = (await answer.json()) as Record<string, unknown>;
        expect([name, problem]).toMatchObject([name, { status: 400, code: 'invalid_request', param }]);
        expect([name, JSON.stringify(responses['400'])]).toEqual([
          name,
          expect.stringContaining(String(problem.detail)),
        ]);
        expect(parameters).toContainEqual(
          expect.objectContaining({ name: param, schema: expect.objectContaining({ format: 'uuid' }) }),
        );
      }
    }
  });
});

/** What Swagger UI makes of a schema. */
function exampleOf(schema: SchemaObject | ReferenceObject, document: OpenAPIObject): unknown {
  if ('$ref' in schema) {
    const named = document.components?.schemas?.[schema.$ref.split('/').at(-1) as string];
    return exampleOf(named ?? {}, document);
  }
  if (schema.example !== undefined) return schema.example as unknown;
  if (schema.default !== undefined) return schema.default as unknown;
  if (schema.enum) return schema.enum[0] as unknown;
  if (schema.allOf?.[0]) return exampleOf(schema.allOf[0], document);
  if (schema.type === 'array') return [exampleOf(schema.items ?? {}, document)];
  if (schema.type === 'string') return 'string';
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 0;
  if (schema.type === 'boolean') return true;
  const properties = Object.entries(schema.properties ?? {});
  return Object.fromEntries(properties.map(([key, property]) => [key, exampleOf(property, document)]));
}
