import { Pressure, SAMPLE_MS } from './pressure';

const THRESHOLD = 1_000;
const ROOM = THRESHOLD / 16;

describe('Pressure', () => {
  let now: number;
  let queue: { waitMs: number; expectedWaitMs: number };
  let pressure: Pressure;

  beforeEach(() => {
    now = 10_000;
    queue = { waitMs: 0, expectedWaitMs: 0 };
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
      turns(1, ROOM - 1);
    }
    expect(admittedOf(100)).toBe(100);
  });

  it('takes a loop that is always a little late for a busy one', () => {
    turns(100, THRESHOLD / 2 - 1);
    expect(admittedOf(100)).toBe(100);
  });

  it('takes a machine that is slow with a few requests for that', () => {
    for (const lag of [30, 90, 270]) turns(1, lag);
    expect(admittedOf(255)).toBe(255);
    turns(1, 810);
    expect(admittedOf(100)).toBe(100);
  });

  it('does not take what came while there was room for what came meanwhile', () => {
    expect(admittedOf(1_000)).toBe(1_000);
    turns(1, 30);
    expect(admittedOf(10)).toBe(10);
    for (const lag of [90, 270, 810]) turns(1, lag);
    expect(admittedOf(100)).toBe(100);
  });

  it('refuses nine in ten after a second of lag, however few have come', () => {
    turns(2, 1_000);
    expect(admittedOf(100)).toBe(10);
  });

  it('refuses nine in ten once turns have grown for half a second, for as long as there is no room', () => {
    for (const lag of [30, 90, 270]) turns(1, lag);
    expect(admittedOf(256)).toBe(256);
    turns(1, 810);
    expect(admittedOf(100)).toBe(10);
    turns(1, Math.ceil(ROOM));
    expect(admittedOf(100)).toBe(10);
    turns(1, Math.floor(ROOM));
    expect(admittedOf(100)).toBe(100);
    turns(1, Math.ceil(ROOM));
    expect(admittedOf(100)).toBe(10);
  });

  it('refuses all while the line is long enough to wait for, from the request on that would wait too long', () => {
    queue.expectedWaitMs = THRESHOLD - 1;
    turns(10, 0);
    expect(admittedOf(100)).toBe(100);
    queue.expectedWaitMs = THRESHOLD;
    expect(admittedOf(100)).toBe(0);
    queue.expectedWaitMs = ROOM;
    expect(admittedOf(100)).toBe(0);
    queue.expectedWaitMs = ROOM - 1;
    expect(admittedOf(100)).toBe(100);
  });

  it('goes by how long requests have waited as well', () => {
    queue.waitMs = THRESHOLD / 2;
    queue.expectedWaitMs = ROOM;
    turns(10, 0);
    expect(admittedOf(256)).toBe(256);
    turns(1, 0);
    expect(admittedOf(100)).toBe(0);
  });

  it('is over after a second with room', () => {
    queue.expectedWaitMs = THRESHOLD;
    expect(admittedOf(1)).toBe(0);
    queue.expectedWaitMs = 0;
    turns(20, 0);
    queue.expectedWaitMs = ROOM;
    expect(admittedOf(1)).toBe(0);
    queue.expectedWaitMs = 0;
    turns(1, 0);
    queue.expectedWaitMs = ROOM;
    expect(admittedOf(100)).toBe(100);
  });
});
