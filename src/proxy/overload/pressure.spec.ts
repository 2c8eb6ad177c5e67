import { Pressure, SAMPLE_MS } from './pressure';

const THRESHOLD = 500;

describe('Pressure', () => {
  let now: number;
  let queue: { waitMs: number; nextWaitsMs: number };
  let pressure: Pressure;

  beforeEach(() => {
    now = 10_000;
    queue = { waitMs: 0, nextWaitsMs: 0 };
    pressure = new Pressure(THRESHOLD, queue, now);
  });

  /** So many turns of the loop, each with this lag. */
  const turns = (count: number, lag: number): void => {
    for (let turn = 0; turn < count; turn += 1) pressure.tick((now += SAMPLE_MS + lag));
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

  it('after a second of lag refuses nine in ten for as long as the lag is above a tenth of the threshold', () => {
    turns(3, 600);
    expect(admittedOf(100)).toBe(10);
    turns(1, 50);
    expect(admittedOf(100)).toBe(10);
    turns(1, 49);
    expect(admittedOf(100)).toBe(100);
    turns(1, 50);
    expect(admittedOf(100)).toBe(10);
  });

  it('goes by how long admission takes as well, and at once by how long the next one has waited', () => {
    queue = Object.assign(queue, { waitMs: 600, nextWaitsMs: 600 });
    turns(25, 0);
    expect(admittedOf(100)).toBe(10);
    queue.nextWaitsMs = 40;
    expect(admittedOf(100)).toBe(100);
  });

  it('takes admissions that hang for what they are: another fault', () => {
    queue.nextWaitsMs = 5_000;
    turns(100, 0);
    expect(admittedOf(100)).toBe(100);
  });

  it('is over after a second below a tenth of the threshold', () => {
    turns(3, 600);
    turns(15, 40);
    turns(1, 450);
    expect(admittedOf(100)).toBe(100);
  });
});
