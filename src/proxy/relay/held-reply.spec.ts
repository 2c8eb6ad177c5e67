import { HeldReply } from './held-reply';
import { LARGEST_REPLY, ReplyMemory } from './reply-memory';

const MIB = 1_024 * 1_024;
const HEADERS = { contentType: 'application/json', retryAfter: undefined };
const USAGE = '"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2}';

describe('HeldReply', () => {
  const memory = new ReplyMemory();
  const reply = (): HeldReply => new HeldReply(200, HEADERS, memory);
  const piece = Buffer.alloc(MIB, 'x');
  /** More than is held of one. */
  const overfill = (one: HeldReply) => {
    for (let size = 0; size <= LARGEST_REPLY; size += MIB) one.push(piece);
  };

  it('is whole when there is room for it', () => {
    const one = reply();
    for (const text of ['{"a"', ':1}']) one.push(Buffer.from(text));
    expect([one.isTooLarge, one.usage, String(one.whole().body)]).toEqual([false, null, '{"a":1}']);
    one.free();
  });

  it.each([1, 9, 40])('finds the usage of one that is too large, in pieces of %i', (size) => {
    const one = reply();
    overfill(one);
    expect([one.isTooLarge, one.usage]).toEqual([true, null]);
    for (let at = 0; at < USAGE.length; at += size) one.push(Buffer.from(USAGE.slice(at, at + size)));
    expect(one.usage).toMatchObject({ prompt: 3, completion: 2 });
  });

  it('finds it in what was held before', () => {
    const one = reply();
    one.push(Buffer.from(USAGE));
    overfill(one);
    expect(one.usage).toMatchObject({ prompt: 3, completion: 2 });
  });

  it('is not read on for ever', () => {
    const one = reply();
    overfill(one);
    let pieces = 0;
    while (one.push(piece)) pieces += 1;
    expect(pieces).toBeLessThan(16 * 128);
  });
});

describe('ReplyMemory', () => {
  it('has room for small answers only once the large ones have taken it all', () => {
    const memory = new ReplyMemory();
    const take = (bytes: number) => memory.take(bytes, 0);
    expect([1, 2, 3, 4].map(() => take(LARGEST_REPLY))).toEqual([true, true, true, true]);
    expect([take(2 * MIB), take(MIB), memory.take(1, MIB)]).toEqual([false, true, false]);
    memory.give(LARGEST_REPLY);
    expect([take(LARGEST_REPLY), take(LARGEST_REPLY - MIB)]).toEqual([false, true]);
  });
});
