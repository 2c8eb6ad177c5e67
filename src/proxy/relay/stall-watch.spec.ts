import { StallWatch } from './stall-watch';

const TICK_MS = 250;
const PATIENCE_MS = 1_000;

describe('the watch for stalls', () => {
  let watch: StallWatch;
  let now: number;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['performance'] });
    now = 1_000_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    watch = new StallWatch();
  });
  afterEach(() => {
    watch.onApplicationShutdown();
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const tick = (afterMs = TICK_MS): void => {
    now += afterMs;
    jest.advanceTimersByTime(TICK_MS);
  };
  const waiting = (ms: number) => {
    const entry = { deadline: now + ms, onStall: jest.fn() };
    watch.add(entry);
    return entry;
  };

  it('tells once who has not moved until the deadline, and nobody else', () => {
    const [short, long, left] = [waiting(PATIENCE_MS), waiting(2 * PATIENCE_MS), waiting(PATIENCE_MS)];
    watch.remove(left);
    for (let passed = 0; passed < PATIENCE_MS; passed += TICK_MS) {
      expect(short.onStall).not.toHaveBeenCalled();
      tick();
    }
    tick();
    expect(short.onStall).toHaveBeenCalledTimes(1);
    expect(long.onStall).not.toHaveBeenCalled();
    expect(left.onStall).not.toHaveBeenCalled();
  });

  it('takes no pause of this process for silence', () => {
    const entry = waiting(PATIENCE_MS);
    tick();
    tick(60_000);
    expect(entry.onStall).not.toHaveBeenCalled();
    for (let passed = 0; passed < PATIENCE_MS; passed += TICK_MS) tick();
    expect(entry.onStall).toHaveBeenCalledTimes(1);
  });

  it('counts no time in which it watched nothing as a pause', () => {
    watch.remove(waiting(PATIENCE_MS));
    now += 60_000;
    const entry = waiting(PATIENCE_MS);
    for (let passed = 0; passed < PATIENCE_MS; passed += TICK_MS) tick();
    expect(entry.onStall).toHaveBeenCalledTimes(1);
  });

  it('gives a newcomer a tick more than asked for, as the time was not asked', () => {
    const entry = waiting(PATIENCE_MS);
    expect(watch.after(500)).toBe(now + TICK_MS + 500);
    tick();
    expect(watch.after(500)).toBe(now + TICK_MS + 500);
    watch.remove(entry);
  });
});
