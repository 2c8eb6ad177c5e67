import { asOwner, makeKey } from './support/api-keys';
import { DocumentedRoute, documentedRoutes } from './support/documented-routes';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { recordGeneration } from './support/generations';
import { settledRows } from './support/ledger';
import { Answer, send } from './support/send';

/** What gets as far as looking for the thing, where {} is refused before. */
const BODIES: Readonly<Record<string, object>> = {
  'PUT /users/me/api-keys/{id}/limits': { metric: 'tokens', window: 'day', amount: 1 },
};
/** Whether and until when there is one, not which. */
const TELLS_NOTHING = ['"previous_secret":', '"has_password":', '"password_links":'];
/** So many that no id or time has these digits by chance. */
const BOBS_TOKENS = 987_654_321;
const NOBODYS_ID = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';

describe('what belongs to another user', () => {
  let gateway: TestGateway;
  let ada: TestUser;
  let bob: TestUser;
  let routes: DocumentedRoute[];
  /** Bob's, by where it is found. A new kind of thing gets its line here. */
  let things: readonly (readonly [prefix: string, id: string])[];

  const asAda = (verb: string, path: string, id: string): Promise<Answer> =>
    send(gateway.url + path.replaceAll(/\{\w+\}/g, id), {
      method: verb,
      bearer: ada.accessToken,
      ...(['POST', 'PUT', 'PATCH'].includes(verb) ? { json: BODIES[`${verb} ${path}`] ?? {} } : {}),
    });
  const idIn = async (path: string): Promise<string> => {
    const listed = await send(gateway.url + path, { bearer: bob.accessToken });
    return (listed.body as unknown as { id: string }[])[0]?.id ?? '';
  };
  const seenBy = async (user: TestUser, path: string) =>
    (await send(gateway.url + path, { bearer: user.accessToken })).text;

  beforeAll(async () => {
    gateway = await startGateway();
    [ada, bob] = [await gateway.register('ada'), await gateway.register('bob')];
    await recordGeneration(gateway, { userId: bob.id, at: new Date(), prompt: BOBS_TOKENS, completion: 1 });
    routes = await documentedRoutes(gateway);
    things = [
      ['/users/me/api-keys/', await idIn('/users/me/api-keys')],
      ['/auth/sessions/', await idIn('/auth/sessions')],
    ];
  });
  afterAll(() => gateway.close());

  it('looks as if it were not there, and stays as it is', async () => {
    const withId = routes.filter(
      ({ path, takes }) => path.includes('{') && takes.includes('session') && !path.startsWith('/admin/'),
    );
    expect(withId.length).toBeGreaterThanOrEqual(2);
    const before = [await seenBy(bob, '/users/me/api-keys'), await seenBy(bob, '/auth/sessions')];
    for (const { verb, path } of withId) {
      const id = things.find(([prefix]) => path.startsWith(prefix))?.[1];
      expect([path, id]).toEqual([path, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
      const foreign = await asAda(verb, path, id ?? '');
      const missing = await asAda(verb, path, NOBODYS_ID);
      expect([verb, path, foreign.status, foreign.text]).toEqual([verb, path, 404, missing.text]);
      expect([...foreign.headers.keys()]).toEqual([...missing.headers.keys()]);
    }
    const after = [await seenBy(bob, '/users/me/api-keys'), await seenBy(bob, '/auth/sessions')];
    expect(after).toEqual(before);
  });

  it('is not reached through a thing of one’s own', async () => {
    const limit = { metric: 'tokens', window: 'day', amount: 7 };
    const [adas, bobs] = [await makeKey(gateway, ada), await makeKey(gateway, bob)];
    const { body: bobsLimit } = await asOwner(gateway, bob)(`/${bobs.id}/limits`, {
      method: 'PUT',
      json: limit,
    });
    const path = (id: unknown) => `/${adas.id}/limits/${String(id)}`;
    const foreign = await asOwner(gateway, ada)(path(bobsLimit.id), { method: 'DELETE' });
    const missing = await asOwner(gateway, ada)(path(NOBODYS_ID), { method: 'DELETE' });
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
    expect((await asOwner(gateway, bob)(`/${bobs.id}/limits`)).text).toContain(String(bobsLimit.id));
    // Nor is a user a key, or a key somebody else's to limit.
    for (const id of [ada.id, bob.id, bobs.id]) {
      const answer = await asOwner(gateway, ada)(`/${id}/limits`, { method: 'PUT', json: limit });
      expect(answer.status).toBe(404);
    }
  });

  it('is in no answer of any route that can be read', async () => {
    const bobs = [
      bob.id,
      bob.username,
      bob.key.slice(0, 8),
      String(BOBS_TOKENS),
      ...things.map(([, id]) => id),
    ];
    const readable = routes.filter(
      ({ verb, path, takes }) => verb === 'GET' && !path.includes('{') && takes.length > 0,
    );
    for (const { path, takes } of readable) {
      const bearer = takes.includes('session') ? ada.accessToken : ada.key;
      const { text } = await send(gateway.url + path, { bearer });
      expect([path, bobs.filter((secret) => text.includes(secret))]).toEqual([path, []]);
      const own = [ada.password, ada.key, ada.accessToken, ada.refreshToken];
      expect([path, own.filter((secret) => text.includes(secret))]).toEqual([path, []]);
      const names = text.match(/"\w*(?:password|hash|secret)\w*":|\$argon2|llm[kripx]_\w{12}/gi) ?? [];
      expect([path, names.filter((name) => !TELLS_NOTHING.includes(name))]).toEqual([path, []]);
    }
  });

  it.each(['user_id', 'userId', 'user', 'subject_id', 'key_id', 'username'])(
    'is not reached by a parameter %s: it is refused or means nothing',
    async (name) => {
      const readable = routes.filter(
        ({ verb, path, takes }) =>
          verb === 'GET' && !path.includes('{') && !path.startsWith('/admin/') && takes.length > 0,
      );
      for (const { path, takes } of readable) {
        const bearer = takes.includes('session') ? ada.accessToken : ada.key;
        const { text } = await send(`${gateway.url}${path}?${name}=${bob.id}`, { bearer });
        expect([path, text.includes(bob.id), text.includes(String(BOBS_TOKENS))]).toEqual([
          path,
          false,
          false,
        ]);
      }
    },
  );

  it('is no secret of theirs to administrators either', async () => {
    const admin = await gateway.registerAdmin();
    const secrets = [bob.password, bob.key, bob.accessToken, bob.refreshToken];
    for (const { verb, path, takes } of routes) {
      if (verb !== 'GET' || path === '/docs-json') continue;
      const bearer = takes.includes('session') ? admin.accessToken : admin.key;
      const { text } = await send(gateway.url + path.replaceAll(/\{\w+\}/g, bob.id), { bearer });
      expect([path, secrets.filter((secret) => text.includes(secret))]).toEqual([path, []]);
      expect([path, /argon2|(password|token|key)_hash/i.exec(text)?.[0]]).toEqual([path, undefined]);
    }
  });

  it('is never in an answer to the same question, asked at the same time', async () => {
    const ask = async (user: TestUser, tokens: number, isSame: boolean) => {
      const said = isSame ? `for everybody, ${tokens}` : `for ${user.username} alone, ${tokens}`;
      const messages = [{ role: 'user', content: `SIM:${JSON.stringify({ text: said })}` }];
      // Little enough that nobody waits for what others hold.
      const body = { model: 'opencode-llm', messages, max_tokens: 100, stream: tokens % 2 === 0 };
      const answer = await gateway.post('/v1/chat/completions', user.key, body);
      const parts = (await answer.text()).matchAll(/"content": ?"([^"]*)"/g);
      const heard = [...parts].map(([, part]) => part).join('');
      return { status: answer.status, heard, said, id: String(answer.headers.get('x-request-id')) };
    };
    // Both ask each question at once: a hundred times the very same one, a hundred times each for itself.
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, i) => ask(i % 2 ? ada : bob, i >> 2, i % 4 > 1)),
    );
    // Whom a machine that stood still made wait for PostgreSQL too long gets a 503.
    expect(answers.filter(({ status }) => ![200, 503].includes(status))).toEqual([]);
    const served = answers.map((answer, i) => ({ ...answer, i })).filter(({ status }) => status === 200);
    expect(served.length).toBeGreaterThan(100);
    expect(served.filter(({ heard, said }) => heard !== said)).toEqual([]);
    const rows = [await settledRows(gateway, ada.id), await settledRows(gateway, bob.id)];
    const billed = rows.map((own) => new Set(own.map((row) => row.request_id)));
    const wrong = served.filter(({ id, i }) => !billed[i % 2 ? 0 : 1]?.has(id));
    expect(wrong).toEqual([]);
  });
});
