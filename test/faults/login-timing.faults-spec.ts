import { startGateway, TestGateway } from '../support/gateway';
import { interleaved, median, quantile, sameDistribution } from '../support/samples';
import { Answer, send } from '../support/send';

const SAMPLES = 500;
/** Samples of one distribution fail the test below about once in a hundred pairs; a real difference, in every attempt. */
const ATTEMPTS = 3;
/** Or three times what chance makes of them, on a slow machine. */
const MOST_BETWEEN_MEDIANS_MS = 2;
const LEAST_LIKELIHOOD = 0.01;

/** Whoever guesses at logins learns from neither the answer nor its time which accounts there are. */
describe('the time a refused login takes', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { TRUST_PROXY: '1' } });
  });
  beforeEach(() => gateway.dataSource.query('DELETE FROM login_throttles'));
  afterAll(() => gateway.close());

  let addresses = 0;
  const nextAddress = () => {
    addresses += 1;
    return `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
  };
  const logIn = (json: { username: string; password: string }, address = nextAddress()) =>
    send(`${gateway.url}/auth/token`, { json, headers: { 'x-forwarded-for': address } });
  const told = ({ status, text, headers }: Answer) =>
    JSON.stringify([status, text, [...headers.keys()].sort()]);

  /** @returns what differs, in words; [] when one attempt found all of them alike */
  async function differences<Kind extends string>(
    kinds: readonly Kind[],
    milliseconds: (kind: Kind, round: number) => Promise<number>,
  ): Promise<string[]> {
    let found: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const times = await interleaved(kinds, SAMPLES, milliseconds);
      found = pairsOf(kinds).flatMap(([one, other]) => {
        const apart = Math.abs(median(times[one]) - median(times[other]));
        const likelihood = sameDistribution(times[one], times[other]);
        const noise = Math.hypot(noiseOf(times[one]), noiseOf(times[other]));
        return apart <= Math.max(MOST_BETWEEN_MEDIANS_MS, 3 * noise) && likelihood > LEAST_LIKELIHOOD
          ? []
          : [`${one} and ${other}: medians ${apart.toFixed(3)} ms apart, p = ${likelihood.toExponential(1)}`];
      });
      if (found.length === 0) break;
    }
    return found;
  }

  it('is one for an unknown name, a wrong password, a disabled account and one without a password; so is the answer', async () => {
    const users = await Promise.all(Array.from({ length: 3 }, () => gateway.register()));
    const [known, disabled, unset] = users as [(typeof users)[0], (typeof users)[0], (typeof users)[0]];
    await gateway.dataSource.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [disabled.id]);
    await gateway.dataSource.query(`UPDATE users SET password_hash = NULL WHERE id = $1`, [unset.id]);
    const asked = {
      unknown: (round: number) => ({ username: `user-${round}-nobody`, password: known.password }),
      'wrong password': () => ({ username: known.username, password: 'pass 0123456789abcdef01' }),
      disabled: () => ({ username: disabled.username, password: disabled.password }),
      'without password': () => ({ username: unset.username, password: unset.password }),
    };
    const answers = new Set<string>();
    const found = await differences(Object.keys(asked) as (keyof typeof asked)[], async (kind, round) => {
      const json = asked[kind](round);
      const startedAt = performance.now();
      const answer = await logIn(json);
      const took = performance.now() - startedAt;
      answers.add(told(answer));
      return took;
    });
    expect([...answers]).toEqual([expect.stringMatching(/^\[401,/)]);
    expect(found).toEqual([]);
    // One attempt takes 200 s and more on a slow machine.
  }, 1_800_000);

  it('is one for names locked by too many failures, whether there is such an account or not; so is the answer', async () => {
    const user = await gateway.register();
    const locked = {
      known: { username: user.username, password: user.password },
      unknown: { username: 'user-nobody-at-all', password: user.password },
    };
    const address = nextAddress();
    for (const { username } of Object.values(locked)) {
      for (let failure = 0; failure < 10; failure += 1)
        expect((await logIn({ username, password: 'x' }, address)).status).toBe(401);
    }
    const answers = new Set<string>();
    const found = await differences(['known', 'unknown'], async (kind) => {
      const startedAt = performance.now();
      const answer = await logIn(locked[kind], address);
      const took = performance.now() - startedAt;
      answers.add(told(answer));
      return took;
    });
    expect([...answers]).toEqual([expect.stringMatching(/^\[429,/)]);
    expect(found).toEqual([]);
  });
});

const pairsOf = <T>(items: readonly T[]): [T, T][] =>
  items.flatMap((one, index) => items.slice(index + 1).map((other): [T, T] => [one, other]));

/** The standard error of their median, by how far the quartiles lie apart. */
const noiseOf = (times: readonly number[]): number =>
  (0.93 * (quantile(times, 0.75) - quantile(times, 0.25))) / Math.sqrt(times.length);
