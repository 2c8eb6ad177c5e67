import { execFileSync } from 'node:child_process';
import { loadEnv } from '../src/config/load-env';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { sendRaw } from './support/raw-http';

interface OpencodeConfig {
  provider: Record<string, { options: Record<string, string>; models: Record<string, unknown> }>;
  model?: string;
  compaction?: object;
}

describe('setting up opencode', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway({
      simulator: {
        models: [
          { id: 'small', maxModelLen: 16_383 },
          { id: 'big', maxModelLen: 65_536 },
          { id: 'least', maxModelLen: 16_384 },
        ],
      },
    });
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const config = async (credential: string): Promise<OpencodeConfig> => {
    const answer = await gateway.get('/connect/opencode.json', credential);
    expect(answer.status).toBe(200);
    return (await answer.json()) as OpencodeConfig;
  };

  it('gives every model large enough for opencode with the limits of vLLM, and the address of this gateway', async () => {
    expect(await config(user.key)).toEqual({
      $schema: 'https://opencode.ai/config.json',
      provider: {
        'llm-user-managed': {
          npm: '@ai-sdk/openai-compatible',
          name: 'LLM User Management',
          options: { baseURL: `${gateway.url}/v1`, apiKey: '{env:LLM_API_KEY}' },
          models: {
            big: { name: 'big', limit: { context: 65_536, output: 16_384 } },
            least: { name: 'least', limit: { context: 16_384, output: 4_096 } },
          },
        },
      },
      model: 'llm-user-managed/big',
    });
  });

  it('gives the same to a session and to a key in either header', async () => {
    const expected = await config(user.key);
    expect(await config(user.accessToken)).toEqual(expected);
    const answer = await fetch(`${gateway.url}/connect/opencode.json`, {
      headers: { 'x-api-key': user.key },
    });
    expect(await answer.json()).toEqual(expected);
  });

  const configOf = async (model: string): Promise<OpencodeConfig> => {
    const answer = await gateway.post('/users/me/api-keys', user.accessToken, {
      name: `${model} only`,
      models: [model],
    });
    return config(((await answer.json()) as { key: string }).key);
  };

  it('gives a key only the models it may use', async () => {
    const narrow = await configOf('least');
    expect(Object.keys(narrow.provider['llm-user-managed']?.models ?? {})).toEqual(['least']);
    expect(narrow.model).toBe('llm-user-managed/least');
    expect(narrow).not.toHaveProperty('compaction');
  });

  it('keeps a model with a small window where there is no other, and opencode from compacting for ever', async () => {
    const narrow = await configOf('small');
    expect(Object.keys(narrow.provider['llm-user-managed']?.models ?? {})).toEqual(['small']);
    expect(narrow.compaction).toEqual({ auto: false });
    expect(narrow).not.toHaveProperty('model');
  });

  it('is kept by no cache, and holds no secret', async () => {
    const answer = await gateway.get('/connect/opencode.json', user.key);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.text()).not.toContain('llmk_');
  });

  it.each([
    ['no credential', undefined, 'missing_token'],
    ['a key of nobody', `llmk_${'A'.repeat(49)}`, 'invalid_api_key'],
    ['something else', 'a-password-perhaps', 'invalid_token'],
  ])('refuses %s', async (_what, credential, code) => {
    const answer = await gateway.get('/connect/opencode.json', credential ?? '');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await answer.json()).toMatchObject({ code });
  });

  it('does not believe the Host header', async () => {
    for (const path of ['/connect/opencode.json', '/.well-known/opencode']) {
      const answer = await sendRaw(
        gateway.url,
        `GET ${path} HTTP/1.1\r\nhost: evil.example\r\nx-api-key: ${user.key}\r\nconnection: close\r\n\r\n`,
        2_000,
      );
      expect(answer).toContain(gateway.url);
      expect(answer).not.toContain('evil.example');
    }
  });

  describe('/.well-known/opencode', () => {
    it('needs no credential, may be cached, and leads to the configuration', async () => {
      const answer = await fetch(`${gateway.url}/.well-known/opencode`);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
      expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
      expect(await answer.json()).toMatchObject({
        auth: { env: 'LLM_API_KEY' },
        remote_config: {
          url: `${gateway.url}/connect/opencode.json`,
          headers: { Authorization: 'Bearer {env:LLM_API_KEY}' },
        },
      });
    });

    it('is the same where the address was given with /v1', async () => {
      const [answer, expected] = await Promise.all(
        ['/v1', ''].map((base) => fetch(`${gateway.url}${base}/.well-known/opencode`)),
      );
      expect(answer?.status).toBe(200);
      expect(answer?.headers.get('content-type')).toBe(expected?.headers.get('content-type'));
      expect(answer?.headers.get('cache-control')).toBe('public, max-age=300');
      expect(await answer?.json()).toEqual(await expected?.json());
    });

    it.each([
      ['prints the key of the environment', 'llmk_x1', 'llmk_x1'],
      ['refuses what is no key', 'sk-123', null],
      ['runs nothing that a key might hold', 'llmk_$(id)`id`', 'llmk_$(id)`id`'],
    ])('its command %s', async (_what, value, printed) => {
      const answer = await fetch(`${gateway.url}/.well-known/opencode`);
      const { auth } = (await answer.json()) as { auth: { command: [string, ...string[]] } };
      const [program, ...args] = auth.command;
      const run = (): string =>
        execFileSync(program, args, {
          env: { PATH: process.env.PATH, LLM_API_KEY: value },
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      if (printed === null) expect(run).toThrow();
      else expect(run()).toBe(printed);
    });
  });
});

describe('links', () => {
  it('start with PUBLIC_URL, else with where the gateway listens', () => {
    const env = loadEnv({ PORT: '0', HOST: '0.0.0.0' });
    env.listensOn(4_711);
    expect(env.publicUrl).toBe('http://localhost:4711');
    const behindProxy = loadEnv({ PUBLIC_URL: 'https://llm.example/' });
    behindProxy.listensOn(4_711);
    expect(behindProxy.publicUrl).toBe('https://llm.example');
  });
});
