import { Pressure, SAMPLE_MS } from './pressure';

const THRESHOLD = 500;

describe('Pressure', () => {
  let now: number;
  let pressure: Pressure;

  beforeEach(() => {
    now = 10_000;
    pressure = new Pressure(THRESHOLD, now);
  });

  /** So many turns of the loop, each with this lag. */
  const turns = (count: number, lag: number, queued = 0): void => {
    for (let turn = 0; turn < count; turn += 1) pressure.tick((now += SAMPLE_MS + lag), queued);
  };
  const admittedOf = (requests: number): number =>
    Array.from({ length: requests }, () => pressure.admits()).filter(Boolean).length;

  it('admits whatever comes while the loop keeps up', () => {
    turns(100, 20);
    expect(admittedOf(100)).toBe(100);
  });

  it('takes one long pause for a pause', () => {
    turns(1, 30_000);
    expect(admittedOf(100)).toBe(100);
  });

  it('takes a loop that is now and then late for a busy one', () => {
    for (let times = 0; times < 20; times += 1) {
      turns(1, 900);
      turns(1, 499);
    }
    expect(admittedOf(100)).toBe(100);
  });

  it('after a second of lag refuses half, and ever more while that is not enough', () => {
    turns(3, 600);
    expect(admittedOf(100)).toBe(50);
    turns(1, 260);
    const fewer = admittedOf(100);
    expect(fewer).toBeGreaterThan(30);
    expect(fewer).toBeLessThan(40);
    turns(20, 600);
    expect(admittedOf(100)).toBeLessThan(2);
  });

  it('goes by how long admission takes as well', () => {
    turns(25, 0, 600);
    expect(admittedOf(100)).toBeLessThan(50);
    turns(25, 0, 100);
    expect(admittedOf(100)).toBe(100);
  });

  it('takes more again when the lag is below half the threshold, and in the end all', () => {
    turns(20, 600);
    turns(10, 249);
    const some = admittedOf(100);
    expect(some).toBeGreaterThan(40);
    expect(some).toBeLessThan(60);
    turns(10, 249);
    expect(admittedOf(100)).toBe(100);
  });
});
