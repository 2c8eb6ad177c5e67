import { BatchPace } from './batch-pace';

describe('BatchPace', () => {
  let pace: BatchPace;
  let now: number;

  beforeEach(() => {
    pace = new BatchPace();
    now = 5_000;
    pace.sent(now, true);
  });

  const after = (ms: number, leavesSome = true): void => pace.sent((now += ms), leavesSome);

  it('is known after four batches that found items waiting', () => {
    [20, 20, 20].forEach((ms) => after(ms));
    expect(pace.ms(now)).toBe(0);
    after(20);
    expect(pace.ms(now)).toBe(20);
  });

  it('is that of the quickest of the last four', () => {
    [20, 30, 2_000, 40].forEach((ms) => after(ms));
    expect(pace.ms(now)).toBe(20);
    after(50);
    expect(pace.ms(now)).toBe(30);
  });

  it('does not count how long nothing waited', () => {
    [20, 20, 20, 20].forEach((ms) => after(ms));
    after(20, false);
    [5, 5, 5, 5].forEach((ms) => after(ms, false));
    expect(pace.ms(now)).toBe(20);
  });

  it('is forgotten after a second without a batch', () => {
    [20, 20, 20, 20].forEach((ms) => after(ms));
    expect([pace.ms(now + 999), pace.ms(now + 1_000)]).toEqual([20, 0]);
  });
});
