import { Env } from '../../config/env';
import { EngineJudgement, Step, TICK_MS } from './engine-judgement';

describe('the judgement of an engine', () => {
  let now: number;
  let engine: EngineJudgement;
  let steps: [second: number, step: Step][];

  beforeEach(() => {
    const env = new Env();
    now = 0;
    steps = [];
    engine = new EngineJudgement(env.UPSTREAM_PROBE_AFTER_MS, env.UPSTREAM_PROBE_TIMEOUT_MS, now);
  });

  /** Ticks on time; `each` is what happens between two of them. */
  const pass = (seconds: number, waiting: boolean, each: () => void = () => undefined) => {
    for (const end = now + seconds * 1_000; now < end;) {
      now += TICK_MS;
      each();
      const step = engine.tick(now, waiting);
      if (step !== null) steps.push([now / 1_000, step]);
    }
  };

  it('with the default settings one that says nothing is down within 30 s, and asked before and ever after', () => {
    pass(40, true);
    expect(steps).toEqual([
      [10, 'ask'],
      [14, 'ask again'],
      [18, 'ask again'],
      [22, 'ask again'],
      [25, 'down'],
      [26, 'ask again'],
      [30, 'ask again'],
      [34, 'ask again'],
      [38, 'ask again'],
    ]);
    expect(engine.isDown).toBe(true);
  });

  it('any sign of life makes it up again at once', () => {
    pass(27, true);
    steps = [];
    engine.heard();
    pass(1, true);
    expect(steps).toEqual([[27.25, 'up']]);
    expect(engine.isDown).toBe(false);
  });

  it('is not asked while nobody waits, or while any answer goes on', () => {
    pass(600, false);
    pass(600, true, () => engine.heard());
    pass(600, true, () => now % 9_000 === 0 && engine.heard());
    expect(steps).toEqual([]);
  });

  it('a sign of life while it is doubted begins the wait anew, and tells nothing', () => {
    pass(15, true);
    engine.heard();
    pass(10, true);
    expect(steps).toEqual([
      [10, 'ask'],
      [14, 'ask again'],
    ]);
  });

  it('doubt does not end because nobody waits any more: impatient clients do not hide a dead engine', () => {
    pass(11, true);
    pass(14, false);
    expect(steps.at(-1)).toEqual([25, 'down']);
    pass(600, false);
    expect(engine.isDown).toBe(true);
  });

  it.each([0, 9, 12, 20])(
    'a process that was stopped for an hour after %i s has not listened for an hour',
    (second) => {
      pass(second, true);
      now += 3_600_000;
      pass(24 - second, true);
      expect(engine.isDown).toBe(false);
      pass(2, true);
      expect(engine.isDown).toBe(true);
    },
  );

  it('a loop that comes by every 5 s has listened to a tenth of the time', () => {
    for (let turn = 0; turn < 19; turn += 1) {
      now += 5_000;
      expect(engine.tick(now, true)).toBeNull();
    }
  });

  it('asks three times within a short patience', () => {
    engine = new EngineJudgement(1_000, 3_000, now);
    pass(5, true);
    expect(steps.slice(0, 4)).toEqual([
      [1, 'ask'],
      [2, 'ask again'],
      [3, 'ask again'],
      [4, 'down'],
    ]);
  });
});
