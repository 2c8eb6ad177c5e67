import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';

const HEADER = 'x-llm-limit-warning';

describe('a warning before a token limit is used up', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());
  beforeEach(async () => {
    user = await gateway.register();
  });

  const chat = (fields: object = {}) =>
    gateway.post('/v1/chat/completions', user.key, {
      model: 'opencode-llm',
      messages: [{ role: 'user', content: 'SIM:{"tokens":5}' }],
      max_tokens: 10,
      ...fields,
    });
  /** So much of 100,000 tokens a month (the user's, or the key's) is used already. */
  const used = async (tokens: number, subject = 'user') => {
    const [key] = await gateway.dataSource.query('SELECT id FROM api_keys WHERE user_id = $1', [user.id]);
    const id = subject === 'user' ? user.id : key.id;
    await gateway.dataSource.query(
      `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by)
       VALUES ($1, $2, 'tokens', 'month', 100000, 'admin')`,
      [subject, id],
    );
    await gateway.dataSource.query(
      `INSERT INTO limit_windows AS w (subject, subject_id, metric, period, window_start, used)
       VALUES ($1, $2, 'tokens', 'month', limit_window_start('month', now(), 'UTC'), $3)
       ON CONFLICT (subject, subject_id, metric, period, model)
       DO UPDATE SET used = excluded.used, window_start = excluded.window_start`,
      [subject, id, tokens],
    );
  };
  const shown = async (path: string, credential: string) => {
    const body = (await (await gateway.get(path, credential)).json()) as {
      windows: { subject: string; window: string; warning: string | null }[];
    };
    return body.windows.flatMap(({ subject, window, warning }) =>
      warning ? [[subject, window, warning]] : [],
    );
  };

  it.each([
    ['user', 79_000, null, null],
    ['user', 80_000, 'tokens; used=0.80', '80_percent'],
    ['user', 94_900, 'tokens; used=0.94', '80_percent'],
    ['user', 95_000, 'tokens; used=0.95', '95_percent'],
    ['key', 82_000, 'tokens; used=0.82', '80_percent'],
  ])('tells the %s who has used %i of 100,000: %s', async (subject, tokens, header, warning) => {
    await used(tokens, subject);
    expect(await shown('/v1/usage', user.key)).toEqual(warning ? [[subject, 'month', warning]] : []);
    if (subject === 'user') {
      expect(await shown('/users/usage', user.accessToken)).toEqual(
        warning ? [['user', 'month', warning]] : [],
      );
    }
    for (const stream of [false, true]) {
      const answer = await chat({ stream });
      expect([answer.status, answer.headers.get(HEADER)]).toEqual([200, header]);
      await answer.text();
    }
  });

  it('does not take what a request itself reserves for used', async () => {
    await used(10_000);
    const answer = await chat({ max_tokens: 32_000 });
    const left = Number(answer.headers.get('x-ratelimit-remaining-tokens'));
    expect([answer.headers.get(HEADER), left < 90_000]).toEqual([null, true]);
    await untilNothingOpen(gateway);
  });

  it('goes on to the refusal', async () => {
    await used(100_000);
    const answer = await chat();
    expect([answer.status, answer.headers.get(HEADER)]).toEqual([402, 'tokens; used=1.00']);
  });
});
