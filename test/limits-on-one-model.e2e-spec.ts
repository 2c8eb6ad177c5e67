import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

const MODEL = 'opencode-llm';

describe('a refusal by a limit', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const limit = async (fields: object) => {
    const json = { subject: 'user', subject_id: user.id, metric: 'tokens', ...fields };
    const { status } = await send(`${gateway.url}/admin/limits`, {
      method: 'PUT',
      bearer: admin.accessToken,
      json,
    });
    expect(status).toBe(200);
  };
  const refusal = async () => {
    const messages = [{ role: 'user', content: 'SIM:{"tokens":40}' }];
    const answer = await gateway.post('/v1/chat/completions', user.key, { model: MODEL, messages });
    return ((await answer.json()) as { error: { message: string } }).error.message;
  };

  it('on all models names none', async () => {
    await limit({ window: 'month', amount: 1 });
    expect(await refusal()).toMatch(/than your account may use in a month\. /);
  });

  it('on one model names it, though another one is on all', async () => {
    await limit({ window: 'month', amount: 1_000_000 });
    await limit({ window: 'day', model: MODEL, amount: 0 });
    expect(await refusal()).toBe(
      'The limit of your account for model `opencode-llm` allows no tokens at all. Only an administrator can raise it.',
    );
  });

  it('that its owner has set on one model says so, too', async () => {
    const keys = await (await gateway.get('/users/me/api-keys', user.accessToken)).json();
    const [{ id }] = keys as [{ id: string }];
    const json = { metric: 'tokens', window: 'total', model: MODEL, amount: 1 };
    await send(`${gateway.url}/users/me/api-keys/${id}/limits`, {
      method: 'PUT',
      bearer: user.accessToken,
      json,
    });
    const message = await refusal();
    expect(message).toMatch(/than this API key may use in all for model `opencode-llm`\. /);
    expect(message).toMatch(/The owner of the key has set this limit and may lift it\.$/);
  });
});
