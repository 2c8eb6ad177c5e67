import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows } from './support/ledger';
import { send } from './support/send';

const PATH = '/srv/models/Qwen3-8B';
const NAME = 'Qwen3-8B';

describe('a model that vLLM serves under a path of the server', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: {
        models: [
          { id: PATH, maxModelLen: 4_096 },
          { id: 'Qwen/Qwen3-4B', maxModelLen: 4_096 },
        ],
      },
      settings: { MODEL_ALIASES: `fast=${PATH}` },
    });
    admin = await gateway.registerAdmin();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const chat = (model: string, fields: object = {}) =>
    send(`${gateway.url}/v1/chat/completions`, {
      bearer: user.key,
      json: { model, messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }], ...fields },
    });

  it('is listed under its last segment, beside what is no path', async () => {
    const list = await send(`${gateway.url}/v1/models`, { bearer: user.key });
    const ids = (list.body as { data: { id: string }[] }).data.map(({ id }) => id);
    expect(ids).toEqual(['fast', NAME, 'Qwen/Qwen3-4B']);
    const config = await send(`${gateway.url}/connect/opencode.json`, { bearer: user.key });
    expect(config.text).toContain(NAME);
    for (const { text } of [list, config]) expect(text).not.toContain('srv');
    const all = await send(`${gateway.url}/admin/models`, { bearer: admin.accessToken });
    expect(all.body.data).toContainEqual(
      expect.objectContaining({ id: NAME, served_name: PATH, alias: true }),
    );
  });

  it.each([NAME, PATH])(
    'answers to %s, and is called by its public name in answers and ledger',
    async (model) => {
      const whole = await chat(model);
      expect(whole.body.model).toBe(NAME);
      const stream = await chat(model, { stream: true });
      expect(stream.text).toContain(`"model":"${NAME}"`);
      const refused = await chat(model, { logprobs: true, top_logprobs: 999 });
      expect(refused.status).toBe(400);
      const one = await send(`${gateway.url}/v1/models/${model}`, { bearer: user.key });
      expect(one.body.id).toBe(NAME);
      for (const { text } of [whole, stream, refused, one]) expect(text).not.toContain('srv');
      const rows = await settledRows(gateway, user.id);
      expect(new Set(rows.map((row) => row.model))).toEqual(new Set([NAME]));
      expect(gateway.simulator.journal.entries.at(-1)?.model).toBe(PATH);
    },
  );

  it('has one limit, whichever of the two names a request gives', async () => {
    const json = {
      subject: 'user',
      subject_id: user.id,
      metric: 'tokens',
      window: 'day',
      model: NAME,
      amount: 0,
    };
    await send(`${gateway.url}/admin/limits`, { method: 'PUT', bearer: admin.accessToken, json });
    expect([(await chat(NAME)).status, (await chat(PATH)).status]).toEqual([402, 402]);
    expect((await chat('Qwen/Qwen3-4B')).status).toBe(200);
  });

  it('is for the keys that name it', async () => {
    const made = async (models: string[]) => {
      const json = { name: 'one', models };
      const { body } = await send(`${gateway.url}/users/me/api-keys`, { bearer: user.accessToken, json });
      return body.key as string;
    };
    for (const [models, status] of [
      [[NAME], 200],
      [['Qwen/Qwen3-4B'], 404],
    ] as const) {
      const key = await made([...models]);
      const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
      for (const model of [NAME, PATH])
        expect([
          model,
          (await gateway.post('/v1/chat/completions', key, { model, messages })).status,
        ]).toEqual([model, status]);
    }
  });
});
