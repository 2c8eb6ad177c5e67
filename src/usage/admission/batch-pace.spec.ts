import { BatchPace } from './batch-pace';

describe('BatchPace', () => {
  let pace: BatchPace;
  let now: number;

  beforeEach(() => {
    pace = new BatchPace();
    now = 5_000;
    pace.sent(now);
  });

  /** The batch under way comes back after `ms`, and the next one goes. */
  const after = (ms: number, othersWait = true): void => {
    pace.ended((now += ms), othersWait);
    pace.sent(now);
  };

  it('is known after four batches that found items waiting', () => {
    [20, 20, 20].forEach((ms) => after(ms));
    expect(pace.ms(now)).toBe(0);
    after(20);
    expect(pace.ms(now)).toBe(20);
  });

  it('is known after two that took a second together, but not after one', () => {
    after(1_500);
    expect(pace.ms(now)).toBe(0);
    after(1_400);
    expect(pace.ms(now)).toBe(1_400);
  });

  it('is that of the quickest of the last four', () => {
    [20, 30, 2_000, 40].forEach((ms) => after(ms));
    expect(pace.ms(now)).toBe(20);
    after(50);
    expect(pace.ms(now)).toBe(30);
  });

  it('does not count how long nothing waited', () => {
    [20, 20, 20, 20].forEach((ms) => after(ms));
    [5, 5, 5, 5].forEach((ms) => after(ms, false));
    expect(pace.ms(now)).toBe(20);
    pace.ended(now, true);
    pace.rests();
    pace.sent((now += 2));
    expect(pace.ms(now)).toBe(20);
  });

  it('lasts as long as the batch under way, and a second more', () => {
    [1_500, 1_500].forEach((ms) => after(ms));
    expect(pace.ms(now + 2_900)).toBe(1_500);
    pace.ended((now += 2_900), false);
    expect([pace.ms(now + 999), pace.ms(now + 1_000)]).toEqual([1_500, 0]);
  });

  it('is forgotten however many batches go, when none of them found items waiting', () => {
    [3_000, 3_000, 3_000, 3_000].forEach((ms) => after(ms));
    for (let sent = 0; sent < 300; sent += 1) after(4, false);
    expect(pace.ms(now)).toBe(0);
    [4, 4, 4].forEach((ms) => after(ms));
    expect(pace.ms(now)).toBe(0);
    after(4);
    expect(pace.ms(now)).toBe(4);
  });
});
