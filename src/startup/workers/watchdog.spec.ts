import { ALIVE_EVERY_MS, Watchdog } from './watchdog';

const LEASE_MS = 30_000;

describe('the watchdog of workers', () => {
  const [one, other] = [{ name: 'one' }, { name: 'other' }];
  let now = 0;
  let watchdog: Watchdog<object>;
  beforeEach(() => {
    now = 1_000;
    watchdog = new Watchdog(LEASE_MS, now);
  });

  /** @returns whom it found to hang within these milliseconds */
  const after = (ms: number, speaking: readonly object[] = []): object[] => {
    const found: object[] = [];
    for (const end = now + ms; now < end;) {
      now += ALIVE_EVERY_MS;
      for (const worker of speaking) watchdog.heard(worker);
      found.push(...watchdog.tick(now));
    }
    return found;
  };

  it('finds whoever was silent for a lease, and only once', () => {
    for (const worker of [one, other]) watchdog.heard(worker);
    expect(after(LEASE_MS, [other])).toEqual([]);
    expect(after(2 * LEASE_MS, [other])).toEqual([one]);
  });

  it('lets those alone that have not begun to serve, or are gone', () => {
    watchdog.heard(one);
    watchdog.forget(one);
    expect(after(3 * LEASE_MS)).toEqual([]);
  });

  it('begins anew with every word', () => {
    watchdog.heard(one);
    expect(after(LEASE_MS)).toEqual([]);
    watchdog.heard(one);
    expect(after(LEASE_MS)).toEqual([]);
    expect(after(ALIVE_EVERY_MS)).toEqual([one]);
  });

  it('does not count the time in which it was stopped itself', () => {
    watchdog.heard(one);
    expect(after(LEASE_MS / 2)).toEqual([]);
    now += 3_600_000;
    expect(watchdog.tick(now)).toEqual([]);
    expect(after(ALIVE_EVERY_MS, [one])).toEqual([]);
  });

  it('has patience with a machine that is far behind, however short the lease is', () => {
    watchdog = new Watchdog(1_000, now);
    watchdog.heard(one);
    expect(after(5_000)).toEqual([]);
    expect(after(1_000)).toEqual([one]);
  });
});
