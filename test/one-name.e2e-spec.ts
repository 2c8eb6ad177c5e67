import { startGateway, TestGateway, TestUser } from './support/gateway';
import { asAdmin } from './support/administration';
import { settledRows } from './support/ledger';
import { send } from './support/send';

const MODELS = [
  { id: 'large', aliases: ['large-too'], maxModelLen: 4_096 },
  { id: '/srv/models/small', maxModelLen: 4_096 },
  { id: 'third', aliases: ['third-too'], maxModelLen: 4_096 },
];

describe('with one name for each model', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  const start = (settings: Record<string, string>, models = MODELS) =>
    startGateway({ simulator: { models }, settings: { ONE_NAME_PER_MODEL: 'true', ...settings } });
  const namesOf = async (of: TestGateway, bearer: string) => {
    const list = await send(`${of.url}/v1/models`, { bearer });
    return (list.body as { data: { id: string }[] }).data.map(({ id }) => id);
  };
  const chat = (model: string) =>
    send(`${gateway.url}/v1/chat/completions`, {
      bearer: user.key,
      json: { model, messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }], max_tokens: 5 },
    });

  beforeAll(async () => {
    gateway = await start({ MODEL_ALIASES: 'clever=large-too,cleverer=large,fast=/srv/models/small' });
    [admin, user] = [await gateway.registerAdmin(), await gateway.register()];
  });
  afterAll(() => gateway.close());

  it('lists the first alias of each, or else the first name vLLM serves it under', async () => {
    const names = ['clever', 'fast', 'third'];
    expect(await namesOf(gateway, user.key)).toEqual(names);
    const all = await asAdmin(gateway, admin)('/models');
    expect((all.body.data as { id: string }[]).map(({ id }) => id)).toEqual(names);
    const config = await send(`${gateway.url}/connect/opencode.json`, { bearer: user.key });
    const { provider } = config.body as { provider: Record<string, { models: object }> };
    expect(Object.keys(provider['llm-user-managed']?.models ?? {})).toEqual(names);
  });

  it('serves no other name, so that a limit on the model has no way round', async () => {
    const limit = {
      subject: 'user',
      subject_id: user.id,
      metric: 'requests',
      window: 'day',
      model: 'clever',
      amount: 1,
    };
    expect((await asAdmin(gateway, admin)('/limits', { method: 'PUT', json: limit })).status).toBe(200);
    expect((await chat('clever')).status).toBe(200);
    expect((await chat('clever')).status).toBe(402);
    for (const other of [
      'large',
      'large-too',
      'cleverer',
      'third-too',
      'small',
      '/srv/models/small',
      'opencode-llm',
    ])
      expect([other, (await chat(other)).status]).toEqual([other, 404]);
    expect((await chat('fast')).status).toBe(200);
    const rows = await settledRows(gateway, user.id);
    expect(rows.map(({ model }) => model).sort()).toEqual(['clever', 'fast']);
  });

  it.each<[Record<string, string>, string]>([
    [{}, 'opencode-llm'],
    [{ MODEL_ALIASES: 'mine=large' }, 'mine'],
    [{ MODEL_ALIASES: 'mine=large,opencode-llm=large-too' }, 'mine'],
  ])('calls the one model of a server by the name that was chosen for it: %j', async (settings, name) => {
    const other = await start(settings, MODELS.slice(0, 1));
    const { key } = await other.register();
    expect(await namesOf(other, key)).toEqual([name]);
    await other.close();
  });
});
