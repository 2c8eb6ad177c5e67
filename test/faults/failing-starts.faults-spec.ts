import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { slowness } from '../support/slowness';
import { startGateway } from '../support/gateway';
import {
  cleanUp,
  emptyFolder,
  GatewayProcess,
  startProcess,
  takenPort,
  ensureBuilt,
} from '../support/gateway-process';
import { untilNothingOpen } from '../support/ledger';
import { createDatabase, onServer, urlOf } from '../support/postgres';

beforeAll(ensureBuilt);

afterAll(cleanUp);

describe('a start that cannot go on says why in one sentence and ends with 1', () => {
  const rows: [what: string, settings: () => Promise<Record<string, string>>, sentence: RegExp][] = [
    ['a wrong setting', async () => ({ PORT: 'many' }), /PORT must be a whole number/],
    ['a short secret', async () => ({ JWT_SECRET: 'secret' }), /JWT_SECRET must be longer/],
    [
      'a secret of 31 characters',
      async () => ({ JWT_SECRET: randomBytes(32).toString('hex').slice(0, 31) }),
      /JWT_SECRET must be longer/,
    ],
    [
      'an empty secret in production',
      async () => ({
        NODE_ENV: 'production',
        JWT_SECRET: '',
        API_KEY_PEPPER: randomBytes(32).toString('hex'),
      }),
      /needs .*JWT_SECRET/,
    ],
    [
      'a blank secret in production',
      async () => ({ NODE_ENV: 'production', JWT_SECRET: ' '.repeat(40) }),
      /needs .*JWT_SECRET/,
    ],
    ['a guessable secret', async () => ({ JWT_SECRET: 'ab'.repeat(20) }), /JWT_SECRET is too easy to guess/],
    [
      'the secret of an example',
      async () => ({ API_KEY_PEPPER: 'change-me-to-32-characters-or-more' }),
      /API_KEY_PEPPER is too easy to guess/,
    ],
    [
      'one port twice',
      async () => ({ PORT: '8123', METRICS_PORT: '8123' }),
      /PORT and METRICS_PORT are both/,
    ],
    ['a foreign address', async () => ({ HOST: '203.0.113.1' }), /HOST 203\.0\.113\.1 is not an address of/],
    ['a taken port', async () => ({ PORT: String(await takenPort()) }), /PORT \d+ on 127\.0\.0\.1 is in use/],
    [
      'DATA_DIR is a file',
      async () => ({ DATA_DIR: aFile() }),
      /DATA_DIR \(.*\) cannot be used: there is a file/,
    ],
    [
      'DATA_DIR under a file',
      async () => ({ DATA_DIR: `${aFile()}/x` }),
      /DATA_DIR \(.*\) cannot be used: a part/,
    ],
    [
      'DATA_DIR whose spool is a file',
      async () => {
        const folder = emptyFolder();
        writeFileSync(join(folder, 'spool'), '');
        return { DATA_DIR: folder, DATABASE_URL: (await createDatabase()).url };
      },
      /^Settlements cannot be kept in .*: set DATA_DIR to a directory that can be written\.$/m,
    ],
    [
      'a time zone that is not the one of the counters',
      async () => ({ DATABASE_URL: await countedIn('UTC'), LIMITS_TIME_ZONE: 'Asia/Tokyo' }),
      /^LIMITS_TIME_ZONE is Asia\/Tokyo, but .* counted in UTC\. Set it back to UTC; or .*npm run limits:rezone/,
    ],
    [
      'a time zone that PostgreSQL takes for another one',
      async () => ({ DATABASE_URL: (await createDatabase()).url, LIMITS_TIME_ZONE: 'IST' }),
      /^LIMITS_TIME_ZONE is IST, which PostgreSQL does not know as a time zone or takes for an abbreviation/,
    ],
    [
      'a time zone that only Node knows',
      async () => ({ DATABASE_URL: (await createDatabase()).url, LIMITS_TIME_ZONE: 'US/Pacific-New' }),
      /^LIMITS_TIME_ZONE is US\/Pacific-New, which PostgreSQL does not know/,
    ],
    [
      'nothing of what production needs',
      async () => ({ NODE_ENV: 'production' }),
      /needs DATABASE_URL .*JWT_SECRET and API_KEY_PEPPER .*VLLM_BASE_URL /,
    ],
    [
      'more keys than servers',
      async () => ({ VLLM_BASE_URL: 'http://a:8000,http://b:8000', VLLM_API_KEY: 'one,two,three' }),
      /^Wrong setting: VLLM_API_KEY must be one key for all 2 servers of VLLM_BASE_URL, or 2 with commas in between.*\.$/m,
    ],
    ['no server', async () => ({ DATABASE_URL: 'postgres://127.0.0.1:9/x' }), /no PostgreSQL listens at 127/],
    [
      'a certificate that is not there',
      async () => ({
        DATABASE_URL: 'postgres://127.0.0.1:9/x?sslmode=verify-full&sslrootcert=/missing/ca.pem',
      }),
      /^DATABASE_URL: \/missing\/ca\.pem, which it names, is not there\.$/m,
    ],
    [
      'a wrong password',
      async () => ({ DATABASE_URL: changed(urlOf('postgres'), (url) => (url.password = 'wrong')) }),
      /refused the user name or password/,
    ],
    ['no such database', async () => ({ DATABASE_URL: urlOf('nowhere') }), /has no such database/],
    [
      'a schema that is behind',
      async () => ({ DATABASE_URL: await emptyDatabase() }),
      /npm run migration:run/,
    ],
    [
      'a weak ADMIN_PASSWORD',
      async () => ({ DATABASE_URL: (await createDatabase()).url, ADMIN_PASSWORD: 'short' }),
      /ADMIN_PASSWORD must have at least 12 characters/,
    ],
  ];

  const starts: GatewayProcess[] = [];
  const given: Record<string, string>[] = [];
  const times: number[] = [];
  const speeds: number[] = [];

  beforeAll(async () => {
    // Two at a time, one for each core of a small machine.
    for (let index = 0; index < rows.length; index += 2) {
      speeds.push(slowness());
      const pair = rows.slice(index, index + 2).map(async ([, settings], place) => {
        given[index + place] = await settings();
        const startedAt = performance.now();
        const gateway = await startProcess(emptyFolder(), given[index + place]);
        starts[index + place] = gateway;
        await gateway.ended;
        times[index + place] = performance.now() - startedAt;
      });
      await Promise.all(pair);
    }
  });

  it.each(rows.map(([what, , sentence], index) => ({ what, sentence, index })))(
    '$what',
    async ({ sentence, index }) => {
      const gateway = starts[index] as GatewayProcess;
      expect(await gateway.ended).toBe(1);
      expect(gateway.errors()).toMatch(sentence);
      expect(gateway.errors()).toMatch(/^[^\n]+\n$/);
      expect(gateway.output()).not.toContain('listening');
      const { JWT_SECRET = '', API_KEY_PEPPER = '' } = given[index] ?? {};
      for (const secret of [JWT_SECRET, API_KEY_PEPPER].filter((value) => value.trim() !== ''))
        expect(gateway.errors() + gateway.output()).not.toContain(secret);
    },
  );

  it('half of a password in .env', async () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, '.env'), 'LOG_LEVEL=info\nADMIN_PASSWORD=correct horse#battery\n');
    const gateway = await startProcess(folder);
    expect(await gateway.ended).toBe(1);
    expect(gateway.errors()).toMatch(/^Wrong setting: ADMIN_PASSWORD, in line 2 of \.env, has a # [^\n]+\n$/);
    expect(gateway.errors() + gateway.output()).not.toMatch(/horse|listening/);
  });

  it('within 5 s, when a secret is no good', () => {
    const ofSecrets = times.filter((_, index) => rows[index]?.[0].includes('secret'));
    // The fastest of them, and more of a busy machine.
    expect(Math.min(...ofSecrets)).toBeLessThan(5_000 * Math.max(...speeds, slowness()));
  });
});

function aFile(): string {
  const folder = join(emptyFolder(), 'folder');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), '');
  return join(folder, 'file');
}

function changed(text: string, change: (url: URL) => void): string {
  const url = new URL(text);
  change(url);
  return url.href;
}

async function emptyDatabase(): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name}`);
  return urlOf(name);
}

/** A database in which a request has been counted. */
async function countedIn(zone: string): Promise<string> {
  const { url } = await createDatabase();
  const gateway = await startGateway({ settings: { DATABASE_URL: url, LIMITS_TIME_ZONE: zone } });
  const user = await gateway.register();
  const messages = [{ role: 'user', content: 'SIM:{"tokens":5}' }];
  await gateway.post('/v1/chat/completions', user.key, { model: 'opencode-llm', messages });
  await untilNothingOpen(gateway);
  await gateway.close();
  return url;
}
