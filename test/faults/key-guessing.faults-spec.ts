import { Client } from 'pg';
import { crc32 } from 'node:zlib';
import { mintApiKey } from '../../src/auth/api-keys/api-key-token';
import { startGateway, TestGateway } from '../support/gateway';
import { interleaved, median } from '../support/samples';
import { send } from '../support/send';
import { slowness } from '../support/slowness';

const PREFIX = 'llmk_';
const SECRET_LENGTH = 43;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** How many of the first characters of the secret are right: from none to all but the last. */
const RIGHT = [0, 1, 4, 8, 16, 24, 32, 38, 41, 42] as const;
const GUESSES = 10_000;
const AT_ONCE = 50;
/** A look that goes on while characters agree would have to cost more than this for 42 of them. */
const MOST_APART_MS = 0.3;
const ATTEMPTS = 3;

/** Whoever guesses at keys gets no nearer to one by what it costs the gateway to refuse. */
describe('guessing at API keys', () => {
  let gateway: TestGateway;
  let real: string;
  const tried = new Set<string>();

  beforeAll(async () => {
    gateway = await startGateway();
    real = (await gateway.register()).key;
  });
  afterAll(() => gateway.close());

  const models = (key: string) => send(`${gateway.url}/v1/models`, { bearer: key });

  /** Never tried before, with its right checksum; the first characters are those of the real key. */
  const guess = (right: number): string => {
    for (;;) {
      const rest = mintApiKey().slice(PREFIX.length + right, PREFIX.length + SECRET_LENGTH);
      const secret = real.slice(PREFIX.length, PREFIX.length + right) + rest;
      const key = PREFIX + secret + checksumOf(secret);
      // With one character to choose there are 61 wrong keys: those come again, and are answered from memory.
      if (key !== real && (right > 41 || !tried.has(key))) {
        tried.add(key);
        return key;
      }
    }
  };

  it('10,000 with a right beginning are refused, and take as long however many characters are right', async () => {
    expect((await models(real)).status).toBe(200);
    const statuses = new Map<number, number>();
    const kinds = RIGHT.map(String);
    const all: Record<string, number[]> = Object.fromEntries(kinds.map((kind) => [kind, []]));
    let [apart, most] = [Infinity, MOST_APART_MS];
    for (let attempt = 0; attempt < ATTEMPTS && apart > most; attempt += 1) {
      const times = await interleaved(kinds, GUESSES / RIGHT.length, async (right) => {
        const key = guess(Number(right));
        const startedAt = performance.now();
        const { status } = await models(key);
        const took = performance.now() - startedAt;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        return took;
      });
      for (const right of kinds) all[right]?.push(...(times[right] as number[]));
      // Of 42 right characters hardly any key is new; what is remembered of a key is another matter, and no secret.
      const medians = kinds.filter((right) => right !== '42').map((right) => median(all[right] as number[]));
      apart = Math.max(...medians) - Math.min(...medians);
      most = MOST_APART_MS * slowness();
    }
    expect([...statuses.keys()]).toEqual([401]);
    expect(apart).toBeLessThan(most);
    expect((await models(real)).status).toBe(200);
  });

  it('10,000 with a wrong checksum are refused without a statement of the database', async () => {
    const statements = jest.spyOn(Client.prototype, 'query');
    try {
      const asked = () =>
        statements.mock.calls.filter(([statement]) => JSON.stringify(statement).includes('key_hash')).length;
      const refused = new Set<number>();
      for (let i = 0; i < GUESSES; i += AT_ONCE) {
        const keys = Array.from({ length: AT_ONCE }, (_, n) => guess((i + n) % SECRET_LENGTH));
        const wrong = keys.map(
          (key) => key.slice(0, -1) + ALPHABET.charAt((ALPHABET.indexOf(key.slice(-1)) + 1) % 62),
        );
        for (const { status } of await Promise.all(wrong.map(models))) refused.add(status);
      }
      expect([...refused]).toEqual([401]);
      expect(asked()).toBe(0);
      // The counter counts: whose checksum is right is looked up.
      expect((await models(mintApiKey())).status).toBe(401);
      expect(asked()).toBe(1);
    } finally {
      statements.mockRestore();
    }
  });
});

function checksumOf(secret: string): string {
  let rest = crc32(secret);
  let text = '';
  for (; rest > 0; rest = Math.floor(rest / 62)) text = ALPHABET.charAt(rest % 62) + text;
  return text.padStart(6, '0');
}
