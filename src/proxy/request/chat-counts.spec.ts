import { Logger } from '@nestjs/common';
import type { VllmApi } from '../upstream/vllm-api.service';
import { ChatCounts } from './chat-counts';

const MINUTE_MS = 60_000;

describe('counts of chats that answers show to fall far short', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    jest.spyOn(Logger.prototype, 'warn').mockImplementation();
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it('are not believed for ten minutes, and twice as long each time it happens again', async () => {
    const vllm = { countTokens: () => Promise.resolve(100) } as unknown as VllmApi;
    const counts = new ChatCounts(vllm);
    expect(await counts.shortBy('served')).toBe(0);
    counts.compare('served', 100, 140);
    expect(await counts.shortBy('served')).toBe(40);
    for (const minutes of [10, 20, 40]) {
      // What ran at once with it is no further reason.
      for (let n = 0; n < 20; n += 1) counts.compare('served', 100, 10_000);
      jest.advanceTimersByTime(minutes * MINUTE_MS - 1);
      expect(await counts.shortBy('served')).toBe(Infinity);
      jest.advanceTimersByTime(1);
      expect(await counts.shortBy('served')).toBe(40);
    }
    expect(Logger.prototype.warn).toHaveBeenCalledTimes(1 + 3);
  });
});
