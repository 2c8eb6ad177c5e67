import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Env, FILE_SETTINGS } from './env';
import { loadEnv, settingNames } from './load-env';

const ROOT = join(__dirname, '..', '..');
const defaults = new Env();

function textOf(name: keyof Env): string {
  const value = defaults[name];
  return value === undefined ? '' : String(value);
}

describe('.env.example', () => {
  const lines = readFileSync(join(ROOT, '.env.example'), 'utf8').split('\n');
  const settings = lines.filter((line) => /^#?[A-Z_]+=/.test(line));

  it('lists every setting once, commented out with its default', () => {
    expect(settings.toSorted()).toEqual(
      settingNames()
        .map((name) => `#${name}=${textOf(name)}`)
        .toSorted(),
    );
  });

  it('holds nothing but those and remarks', () => {
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});

describe('docs/configuration.md', () => {
  const rows = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('has one row for every setting', () => {
    expect(rows.map(([, name]) => name).toSorted()).toEqual(
      settingNames()
        .map((name) => `\`${name}\``)
        .toSorted(),
    );
  });

  it.each(settingNames())('tells the default of %s', (name) => {
    const row = rows.find(([, cell]) => cell === `\`${name}\``) ?? [];
    const text = textOf(name);
    expect(row[2]?.slice(0, text === '' ? 5 : undefined)).toBe(text === '' ? 'unset' : `\`${text}\``);
    expect(row[3]?.length).toBeGreaterThan(10);
  });

  it('names the settings that may come from a file', () => {
    const text = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8');
    for (const name of FILE_SETTINGS) expect(text).toContain(`\`${name}_FILE\``);
  });
});

const many = (count: number) => Array.from({ length: count }, (_, n) => `http://vllm-${n}:8000`).join();

describe('the servers of vLLM', () => {
  const VLLM_BASE_URL = 'http://a:8000, http://b:8000/llm/v1';
  const keysOf = (VLLM_API_KEY: string | undefined, urls = VLLM_BASE_URL) =>
    loadEnv({ VLLM_BASE_URL: urls, VLLM_API_KEY }).vllmServers.map(({ apiKey }) => apiKey);

  it('are those that are named, with or without /v1', () => {
    expect(loadEnv({ VLLM_BASE_URL }).vllmServers).toEqual([
      { origin: 'http://a:8000', basePath: '', apiKey: null },
      { origin: 'http://b:8000', basePath: '/llm', apiKey: null },
    ]);
  });

  it.each([
    ['one', ['one', 'one']],
    ['one, two', ['one', 'two']],
    [',two', [null, 'two']],
    ['one,', ['one', null]],
    [undefined, [null, null]],
  ])('have the keys %s', (given, keys) => {
    expect(keysOf(given)).toEqual(keys);
  });

  it('are one, whose key may have a comma', () => {
    expect(keysOf('one,two', 'http://a:8000')).toEqual(['one,two']);
  });

  it('have no other number of keys', () => {
    expect(() => keysOf('a-secret,b,c')).toThrow(
      'Wrong setting: VLLM_API_KEY must be one key for all 2 servers of VLLM_BASE_URL, or 2 with commas in between',
    );
    expect(() => keysOf('a-secret,b,c')).not.toThrow(/a-secret/);
  });
});

describe('a wrong setting', () => {
  it.each([
    ['PORT', 'many', 'PORT must be a whole number'],
    ['PORT', '70000', 'PORT must not be greater than 65535'],
    ['NODE_ENV', 'prod', 'NODE_ENV must be one of'],
    ['DATABASE_URL', 'mysql://localhost/x', 'DATABASE_URL must be a URL'],
    ['DATABASE_URL', 'postgres', 'DATABASE_URL must be a URL'],
    ['DATABASE_URL', 'postgres://user:pass/word@host/x', 'DATABASE_URL must be a URL'],
    ['DATABASE_URL', 'postgres://user:100%@host/x', 'DATABASE_URL must be a URL'],
    ['SHED_AFTER_MS', '1', 'SHED_AFTER_MS must be 0 or at least 50'],
    ['SHUTDOWN_GRACE_MS', '86400001', 'SHUTDOWN_GRACE_MS must not be greater than 86400000'],
    ['UPSTREAM_CONNECT_TIMEOUT_MS', '2147483648', 'UPSTREAM_CONNECT_TIMEOUT_MS must not be greater'],
    ['UPSTREAM_FIRST_BYTE_TIMEOUT_MS', '2147483648', 'UPSTREAM_FIRST_BYTE_TIMEOUT_MS must not be'],
    ['SPOOL_MAX_BYTES', '268435457', 'SPOOL_MAX_BYTES must not be greater than 268435456'],
    ['UPSTREAM_IDLE_TIMEOUT_MS', '2147483648', 'UPSTREAM_IDLE_TIMEOUT_MS must not be greater'],
    ['CLIENT_STALL_TIMEOUT_MS', '2147483648', 'CLIENT_STALL_TIMEOUT_MS must not be greater'],
    ['VLLM_BASE_URL', 'vllm', 'VLLM_BASE_URL must be a URL'],
    ['PUBLIC_URL', 'https://llm.example.com/?tenant=1', 'PUBLIC_URL must be a URL'],
    ['PUBLIC_URL', 'https://llm.example.com/#top', 'PUBLIC_URL must be a URL'],
    ['VLLM_BASE_URL', 'http://user:word@vllm:8000', 'VLLM_BASE_URL must be a URL'],
    ['VLLM_BASE_URL', 'http://a:8000,', 'VLLM_BASE_URL must be a URL such as http://host:8000'],
    ['VLLM_BASE_URL', 'http://a:8000,b:8000', 'VLLM_BASE_URL must be a URL such as http://host:8000'],
    ['VLLM_BASE_URL', 'http://a:80/x, http://A/x/v1/', 'VLLM_BASE_URL must name each server once'],
    ['VLLM_BASE_URL', many(33), 'VLLM_BASE_URL must name 32 servers at most'],
    ['TRUST_PROXY', 'yes', 'TRUST_PROXY must be true, false, a number of hops, or addresses'],
    ['TRUST_PROXY', '-1', 'TRUST_PROXY must be'],
    ['TRUST_PROXY', '10.0.0.0/33', 'TRUST_PROXY must be'],
    ['TRUST_PROXY', '10.0.0.1,', 'TRUST_PROXY must be'],
    ['JWT_SECRET', 'secret', 'JWT_SECRET must be longer than or equal to 32'],
    ['API_KEY_PEPPER', 'x'.repeat(31), 'API_KEY_PEPPER must be longer than or equal to 32'],
    ['MIGRATE_ON_START', 'maybe', 'MIGRATE_ON_START must be true or false'],
    ['LIMITS_TIME_ZONE', 'Mars/Olympus', 'LIMITS_TIME_ZONE must be an IANA time zone'],
    ['MODEL_ALIASES', 'a', 'MODEL_ALIASES must look like'],
    ['REGISTRATION', 'yes', 'REGISTRATION must be one of'],
    ['JWT_SECRET_FILE', '/nowhere/at/all', 'JWT_SECRET_FILE names a file that cannot be read'],
  ])('%s=%s is refused in one sentence', (name, value, sentence) => {
    expect(() => loadEnv({ [name]: value })).toThrow(sentence);
  });

  it.each([
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '2'],
    ['TRUST_PROXY', 'loopback, 10.0.0.0/8, ::1, fd00::/8'],
    ['PUBLIC_URL', 'https://llm.example.com/gateway/'],
    ['VLLM_BASE_URL', 'http://[::1]:8000/v1'],
    ['VLLM_BASE_URL', 'http://vllm_1:8000'],
    ['VLLM_BASE_URL', many(32)],
    ['VLLM_API_KEY', 'one,key'],
    ['VLLM_BASE_URL', 'http://vllm.models.svc.cluster.local.:8000'],
    ['DATABASE_URL', 'postgres://gateway:secret@my_postgres_1/gateway'],
    ['DATABASE_URL', 'postgresql://gateway:secret@db.example.com.:5432/gateway'],
    ['DATABASE_URL', 'postgres://gateway:secret@[::1]:5432/gateway?sslmode=verify-full'],
    ['DATABASE_URL', 'postgres://gateway@%2Frun%2Fpostgresql/gateway'],
    ['DATABASE_URL', 'postgres:///gateway?host=/run/postgresql'],
    ['DATABASE_URL', 'postgres://gateway:secret@/gateway?host=/run/postgresql'],
  ] as const)('%s=%s is none', (name, value) => {
    expect(loadEnv({ [name]: value })[name]).toBe(value);
  });

  it('is told without its value', () => {
    const tell = () => loadEnv({ JWT_SECRET: 'my-own-short-secret', PORT: '-1' });
    expect(tell).toThrow(/JWT_SECRET.*PORT|PORT.*JWT_SECRET/);
    expect(tell).not.toThrow(/my-own-short-secret/);
  });

  it('is none when it is empty', () => {
    expect(loadEnv({ PORT: '', JWT_SECRET: ' ' })).toEqual(defaults);
  });
});

describe('the base of links', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:8002'],
    ['::1', 'http://[::1]:8002'],
    ['::', 'http://localhost:8002'],
    ['0.0.0.0', 'http://localhost:8002'],
  ])('with HOST=%s is %s', (HOST, url) => {
    expect(loadEnv({ HOST }).publicUrl).toBe(url);
  });
});

describe('ADMIN_PASSWORD', () => {
  const password = '  a quiet lantern burns ';
  const fileWith = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'env-')), 'password');
    writeFileSync(file, text);
    return file;
  };

  it('is taken with the spaces at its ends', () => {
    expect(loadEnv({ ADMIN_PASSWORD: password }).ADMIN_PASSWORD).toBe(password);
  });

  it.each(['', '\n', '\r\n'])('is the text of its file up to one end of line: %j', (end) => {
    const file = fileWith(password + end);
    expect(loadEnv({ ADMIN_PASSWORD_FILE: file }).ADMIN_PASSWORD).toBe(password);
  });

  it('is unset when there are only spaces', () => {
    expect(loadEnv({ ADMIN_PASSWORD: ' ', ADMIN_PASSWORD_FILE: fileWith(' \n') })).toEqual(defaults);
  });
});
