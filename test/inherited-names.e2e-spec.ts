import type { ParameterObject, RequestBodyObject } from '@nestjs/swagger';
import { documentOf, NOBODYS_ID, operationsOf } from './support/documented-operations';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { Answer, send } from './support/send';

/** toString, constructor, __proto__ and so on: what every object of JavaScript has without being given it. */
const INHERITED = Object.getOwnPropertyNames(Object.prototype);
const ANY_OTHER = 'nothing_of_ours';

describe('an unknown field that is named like a member of every object', () => {
  let gateway: TestGateway;
  let admin: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());

  const ask = (method: string, path: string, json?: string) =>
    send(gateway.url + path, { method, json, bearer: admin.accessToken });
  /** Status and body, in which the name may stand as it likes. */
  const told = ({ status, text }: Answer, name: string) => [status, text.replaceAll(name, '?')];
  /** As of any field that is unknown. */
  const refusalOf = (answer: Answer) => {
    const refusal = told(answer, ANY_OTHER);
    expect(refusal).toEqual([400, expect.stringContaining('this route does not take ?')]);
    return refusal;
  };
  const routes = async (has: (operation: { body: boolean; query: boolean; session: boolean }) => boolean) =>
    operationsOf(await documentOf(gateway))
      // What vLLM is asked for leaves out what it does not know, in whatever form.
      .filter(([name]) => !/ \/(v1|chat)\//.test(name))
      .filter(([, { requestBody, parameters = [], security }]) =>
        has({
          body: (requestBody as RequestBodyObject | undefined)?.content['application/json'] !== undefined,
          query: (parameters as ParameterObject[]).some((parameter) => parameter.in === 'query'),
          session: JSON.stringify(security) === '[{"session":[]}]',
        }),
      )
      .map(([name]) => name.replaceAll(/\{\w+\}/g, NOBODYS_ID).split(' ') as [string, string]);

  it('is refused in a body as any other, on every route that takes one', async () => {
    const withBody = await routes(({ body }) => body);
    expect(withBody.length).toBeGreaterThan(15);
    for (const [method, path] of withBody) {
      const other = refusalOf(await ask(method, path, `{"${ANY_OTHER}":"x"}`));
      for (const name of INHERITED) {
        for (const value of ['"x"', '{"role":"admin"}', 'null']) {
          const answer = await ask(method, path, `{"${name}":${value}}`);
          expect([method, path, name, ...told(answer, name)]).toEqual([method, path, name, ...other]);
        }
      }
    }
  });

  it('is refused in a query as any other, on every route that takes one', async () => {
    const withQuery = await routes(({ query }) => query);
    expect(withQuery.length).toBeGreaterThan(8);
    for (const [method, path] of withQuery.filter(([, route]) => !route.startsWith('/v1'))) {
      const other = refusalOf(await ask(method, `${path}?${ANY_OTHER}=x`));
      for (const name of INHERITED) {
        const answer = await ask(method, `${path}?${name}=x`);
        expect([method, path, name, ...told(answer, name)]).toEqual([method, path, name, ...other]);
      }
    }
  });

  it('is refused in a query of every other route of a session, too', async () => {
    const without = await routes(({ query, session }) => session && !query);
    expect(without.map((route) => route.join(' '))).toEqual(
      expect.arrayContaining([
        'GET /admin/models',
        'GET /admin/upstreams',
        `GET /admin/users/${NOBODYS_ID}/api-keys`,
        'GET /auth/sessions',
        'DELETE /auth/sessions',
      ]),
    );
    for (const [method, path] of without) {
      for (const name of [ANY_OTHER, ...INHERITED]) {
        const { status, body } = await ask(method, `${path}?${name}=x`);
        expect([method, path, status, body.detail, body.param]).toEqual([
          method,
          path,
          400,
          `this route does not take ${name}`,
          name,
        ]);
      }
    }
  });

  it('is refused inside of limits by its place, beside all else that is wrong', async () => {
    for (const name of INHERITED) {
      for (const [path, rest] of [
        ['/users/me/api-keys', '"name":""'],
        ['/admin/invitations', '"role":"king"'],
      ] as const) {
        const limit = `{"metric":"tokens","window":"day","amount":1,"${name}":1}`;
        const { status, body } = await ask('POST', path, `{${rest},"limits":[${limit}]}`);
        expect([name, path, status, body.errors]).toEqual([
          name,
          path,
          400,
          [
            { field: `limits.0.${name}`, message: `this route does not take limits.0.${name}` },
            { field: rest.split('"')[1], message: expect.any(String) },
          ],
        ]);
      }
    }
  });

  it('is refused where a form asks for a token', async () => {
    // What reads forms leaves that one out, whatever they are for.
    for (const name of INHERITED.filter((inherited) => inherited !== '__proto__')) {
      const form = { username: admin.username, password: admin.password, [name]: 'x' };
      const { status, body } = await send(`${gateway.url}/auth/token`, { form });
      expect([name, status, body.error]).toEqual([name, 400, 'invalid_request']);
    }
  });

  it('changes nothing when it is refused', async () => {
    const user = await gateway.register();
    const path = `/admin/users/${user.id}`;
    const before = (await ask('GET', path)).text;
    expect((await ask('PATCH', path, '{"toString":"x","role":"admin"}')).status).toBe(400);
    expect((await ask('GET', path)).text).toBe(before);
  });
});
