import type { OpenAPIObject, ParameterObject, ReferenceObject, SchemaObject } from '@nestjs/swagger';
import { documentOf, NOBODYS_ID, operationsOf } from './support/documented-operations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send } from './support/send';

/** A field of a body, as the refusal names it, and what is sent in the place of its value. */
type WrongBody = readonly [field: string, schema: SchemaObject, body: unknown];

/** Of a value that is missing, or is no number or text at all, nobody wants to hear that it is too great or too long. */
const BESIDE_THE_POINT = /greater than|less than|longer than|shorter than|must not hold two|nested property/;

describe('a value of the wrong type', () => {
  let gateway: TestGateway;
  let document: OpenAPIObject;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    document = await documentOf(gateway);
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());

  const routes = () =>
    operationsOf(document)
      .filter(([name]) => !name.includes(' /v1/') && !name.includes(' /chat/'))
      .map(([name, operation]) => {
        const [method, path] = name.split(' ') as [string, string];
        return { name, method, url: gateway.url + path.replaceAll(/\{\w+\}/g, NOBODYS_ID), operation };
      });

  it('is refused in every field of a body by its name, and by what the field takes', async () => {
    let fields = 0;
    for (const { name, method, url, operation } of routes()) {
      const { content = {} } = (operation.requestBody ?? {}) as { content?: Record<string, object> };
      const { schema } = (content['application/json'] ?? {}) as { schema?: SchemaObject | ReferenceObject };
      for (const [field, { type, minimum, maximum }, json] of schema ? wrongBodies(schema, document) : []) {
        // Not looked at with the password that is shown beside it.
        if (name === 'POST /auth/token' && field === 'refresh_token') continue;
        fields += 1;
        const answer = await send(url, { method, json, bearer: admin.accessToken });
        const asked = [name, field, JSON.stringify(json)];
        expect([...asked, answer.status, messageOf(answer, field)]).toEqual([
          ...asked,
          400,
          type === 'integer'
            ? expect.stringMatching(wholeNumber(minimum, maximum ?? Number.MAX_SAFE_INTEGER))
            : expect.not.stringMatching(BESIDE_THE_POINT),
        ]);
      }
    }
    expect(fields).toBeGreaterThan(150);
  });

  it('is refused in every parameter of a query by its name, and by what the parameter takes', async () => {
    let parameters = 0;
    for (const { name, url, operation } of routes()) {
      for (const parameter of (operation.parameters ?? []) as ParameterObject[]) {
        if (parameter.in !== 'query') continue;
        const { type, minimum, maximum } = parameter.schema as SchemaObject;
        const wrong =
          type === 'integer' ? ['abc', '-1', '', '1.5', '0x1', '1000000000000', '1&=1'] : ['a&=b'];
        for (const value of wrong) {
          parameters += 1;
          const query = `${parameter.name}=${value.replace('&', `&${parameter.name}`)}`;
          const answer = await send(`${url}?${query}`, { bearer: admin.accessToken });
          expect([name, query, answer.status, messageOf(answer, parameter.name)]).toEqual([
            name,
            query,
            400,
            type === 'integer'
              ? expect.stringMatching(wholeNumber(minimum, maximum))
              : expect.not.stringMatching(BESIDE_THE_POINT),
          ]);
        }
      }
    }
    expect(parameters).toBeGreaterThan(80);
  });
});

const wholeNumber = (min = 0, max = 0): RegExp =>
  new RegExp(`^\\w+ must be a whole number (of tokens )?from ${min} to ${max}(, or null for no limit)?$`);

/** What is said of the field, which must be named. */
function messageOf({ body }: Answer, field: string): unknown {
  // As RFC 6749 has it, without the names of fields.
  if (typeof body.error_description === 'string') return body.error_description;
  const errors = (body.errors ?? []) as { field: string; message: string }[];
  return errors.find((error) => error.field === field)?.message ?? JSON.stringify(body);
}

/** Bodies that are as the document shows them, but for one field. */
function* wrongBodies(
  schema: SchemaObject | ReferenceObject,
  document: OpenAPIObject,
  path = '',
  wrap: (part: unknown) => unknown = (part) => part,
): Generator<WrongBody> {
  const { properties = {}, required = [] } = named(schema, document);
  const shown = Object.fromEntries(
    required.map((key) => [key, named(properties[key] ?? {}, document).example as unknown]),
  );
  for (const [key, property] of Object.entries(properties)) {
    const field = named(property, document);
    const name = path + key;
    const others = Object.fromEntries(Object.entries(shown).filter(([other]) => other !== key));
    const wrong = field.type === 'integer' ? ['5', 'x', 1.5, -1, true, [], {}, 1e16] : [5, true, {}];
    for (const value of wrong) yield [name, field, wrap({ ...others, [key]: value })];
    if (field.nullable !== true && required.includes(key))
      yield [name, field, wrap({ ...others, [key]: null })];
    if (required.includes(key)) yield [name, field, wrap(others)];
    if (field.type !== 'array' || !field.items) continue;
    const around = (part: unknown) => wrap({ ...others, [key]: [part] });
    yield* wrongBodies(field.items, document, `${name}.0.`, around);
  }
}

/** A schema, wherever it stands. */
function named(schema: SchemaObject | ReferenceObject, document: OpenAPIObject): SchemaObject {
  if (!('$ref' in schema)) return schema;
  return (document.components?.schemas?.[schema.$ref.split('/').at(-1) as string] ?? {}) as SchemaObject;
}
