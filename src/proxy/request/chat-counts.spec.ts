import { Logger } from '@nestjs/common';
import type { Upstream } from '../upstream/upstream';
import type { VllmApi } from '../upstream/vllm-api.service';
import { ChatCounts } from './chat-counts';

const MINUTE_MS = 60_000;

/** Counts of the model `served` by a server that counts so. */
function answering(tryToCount: VllmApi['tryToCount']) {
  const counts = new ChatCounts();
  const server = { vllm: { tryToCount } } as unknown as Upstream;
  return {
    shortBy: () => counts.shortBy(server, 'served'),
    compare: (counted: number, used: number) => counts.compare(server, 'served', counted, used),
  };
}

beforeEach(() => {
  jest.useFakeTimers();
  jest.spyOn(Logger.prototype, 'warn').mockImplementation();
});
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('counts of chats that answers show to fall far short', () => {
  it('are not believed for ten minutes, and twice as long each time it happens again', async () => {
    const counts = answering(() => Promise.resolve(100));
    expect(await counts.shortBy()).toBe(0);
    counts.compare(100, 140);
    expect(await counts.shortBy()).toBe(40);
    for (const minutes of [10, 20, 40]) {
      // What ran at once with it is no further reason.
      for (let n = 0; n < 20; n += 1) counts.compare(100, 10_000);
      jest.advanceTimersByTime(minutes * MINUTE_MS - 1);
      expect(await counts.shortBy()).toBe(Infinity);
      jest.advanceTimersByTime(1);
      expect(await counts.shortBy()).toBe(40);
    }
    expect(Logger.prototype.warn).toHaveBeenCalledTimes(1 + 3);
  });
});

describe('whether a chat with two calls is counted whole', () => {
  /** Its three counts of each asking. */
  const asked: ((count: number | 'refused' | null) => void)[][] = [];
  const counts = () => {
    asked.length = 0;
    let last: (typeof asked)[number] = [];
    return answering(() => {
      if (last.length % 3 === 0) asked.push((last = []));
      return new Promise((resolve) => last.push(resolve));
    });
  };
  const answer = async (...given: (number | 'refused' | null)[]) => {
    given.forEach((count, index) => asked.at(-1)?.[index]?.(count));
    await jest.advanceTimersByTimeAsync(0);
  };

  it.each([
    ['a minute later where it was counted', [10, 100, 100], 60_000, 0],
    ['a minute later where it was not', [10, 100, 10], 60_000, Infinity],
    ['a minute later where it was refused', ['refused', 'refused', 'refused'], 60_000, 0],
    ['a second later where vLLM did not say', [10, null, 'refused'], 1_000, 0],
  ] as const)('is asked again %s', async (_, given, pause, short) => {
    const chats = counts();
    const first = chats.shortBy();
    await answer(...given);
    expect(await first).toBe(short);
    jest.advanceTimersByTime(pause - 1);
    expect(await chats.shortBy()).toBe(short);
    expect(asked).toHaveLength(1);
    jest.advanceTimersByTime(1);
    void chats.shortBy();
    expect(asked).toHaveLength(2);
  });

  it('is not asked while it is being asked, however long that takes, and all wait for it', async () => {
    const chats = counts();
    const waiting = [chats.shortBy()];
    for (let n = 0; n < 5; n += 1) {
      jest.advanceTimersByTime(5_000);
      waiting.push(chats.shortBy());
    }
    await answer(10, 100, 10);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 6 }, () => Infinity));
    expect(asked).toHaveLength(1);
  });
});
