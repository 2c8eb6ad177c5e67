import { setTimeout as delay } from 'node:timers/promises';
import { Turns } from './turns';

describe('Turns', () => {
  it('runs work on one key one after the other, even after failures', async () => {
    const turns = new Turns();
    let running = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        turns.take('ada', async () => {
          running += 1;
          expect(running).toBe(1);
          await delay(1);
          running -= 1;
          if (i % 3 === 0) throw new Error(`${i}`);
          return i;
        }),
      ),
    );
    expect(results.map((result) => result.status)).toEqual(
      Array.from({ length: 10 }, (_, i) => (i % 3 === 0 ? 'rejected' : 'fulfilled')),
    );
  });

  it('does not let one key wait for another', async () => {
    const turns = new Turns();
    const never = turns.take('ada', () => new Promise(() => {}));
    await expect(turns.take('bob', async () => 'done')).resolves.toBe('done');
    expect(never).toBeInstanceOf(Promise);
  });

  it('answers 503 when too many wait', async () => {
    const turns = new Turns();
    const waiting = Array.from({ length: 600 }, () => turns.take('ada', () => delay(0)));
    const results = await Promise.allSettled(waiting);
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(600 - 512);
  });
});
