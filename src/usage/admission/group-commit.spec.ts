import { LostTime } from '../../../test/support/lost-time';
import { GroupCommit } from './group-commit';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('GroupCommit', () => {
  it('sends an item that finds the lane idle at once, and what arrives meanwhile as one batch', async () => {
    const batches: number[][] = [];
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        batches.push([...items]);
        await sleep(10);
        return items.map((item) => item * 10);
      },
      maxBatch: 3,
      lanes: 1,
      isolates: () => false,
    });
    const first = group.submit(1);
    await sleep(2);
    const rest = [2, 3, 4, 5].map((item) => group.submit(item));
    expect(await Promise.all([first, ...rest])).toEqual([10, 20, 30, 40, 50]);
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('does not send what was withdrawn in time', async () => {
    const batches: number[][] = [];
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        batches.push([...items]);
        await sleep(10);
        return [...items];
      },
      maxBatch: 10,
      lanes: 1,
      isolates: () => false,
    });
    const first = group.submit(1);
    await sleep(2);
    const answered: number[] = [];
    const rest = [2, 3].map((item) => group.submit(item).then((answer) => answered.push(answer)));
    expect([group.withdraw(1), group.withdraw(2)]).toEqual([false, true]);
    await Promise.all([first, rest[1]]);
    expect(batches).toEqual([[1], [3]]);
    expect(answered).toEqual([3]);
  });

  it('leaves turns of the event loop between the answers of a large batch', async () => {
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        await sleep(1);
        return [...items];
      },
      maxBatch: 100,
      lanes: 1,
      isolates: () => false,
    });
    const items = Array.from({ length: 100 }, (_, index) => index);
    let turn = 0;
    const answers = items.map((item) => group.submit(item).then((answer) => ({ answer, turn })));
    const count = (): void => {
      turn += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const answered = await Promise.all(answers);
    clearImmediate(next);
    expect(answered.map(({ answer }) => answer)).toEqual(items);
    const sizes = [...new Set(answered.map((one) => one.turn))].map(
      (of) => answered.filter((one) => one.turn === of).length,
    );
    expect(sizes).toEqual([32, 32, 32, 4]);
  });

  it('tells how long the next item will have to wait, once batches have followed one another', async () => {
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        await sleep(20);
        return [...items];
      },
      maxBatch: 2,
      lanes: 1,
      isolates: () => false,
    });
    const begunAt = performance.now();
    const all = Array.from({ length: 20 }, (_, item) => group.submit(item));
    expect(group.expectedWaitMs).toBe(0);
    await all[11];
    // Six have come back in it, and four are left.
    const soFar = performance.now() - begunAt;
    expect(group.expectedWaitMs).toBeGreaterThanOrEqual(40);
    expect(group.expectedWaitMs).toBeLessThan(soFar);
    await Promise.all(all);
    expect(group.expectedWaitMs).toBe(0);
  });

  it('does not take batches that failed for the pace of those to come', async () => {
    let away = true;
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        await sleep(away ? 600 : 5);
        if (away) throw new Error('no answer');
        return [...items];
      },
      maxBatch: 2,
      lanes: 1,
      isolates: () => false,
    });
    await Promise.allSettled(Array.from({ length: 8 }, (_, item) => group.submit(item)));
    away = false;
    const all = [1, 2, 3, 4, 5, 6].map((item) => group.submit(item));
    expect(group.expectedWaitMs).toBe(0);
    await Promise.all(all);
  });

  it('does not take for pace how long nothing waited because it was withdrawn', async () => {
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        await sleep(2);
        return [...items];
      },
      maxBatch: 1,
      lanes: 1,
      isolates: () => false,
    });
    for (let times = 0; times < 5; times += 1) {
      const first = group.submit(1);
      await sleep(1);
      void group.submit(2);
      await first;
      // The batch is over, and the next one goes at the end of this turn.
      await Promise.resolve();
      await Promise.resolve();
      group.withdraw(2);
      await sleep(times === 4 ? 0 : 300);
    }
    for (const item of [3, 4, 5]) void group.submit(item);
    expect(group.expectedWaitMs).toBe(0);
    for (const item of [3, 4, 5]) group.withdraw(item);
  });

  it('lets one bad item fail alone', async () => {
    const group = new GroupCommit<number, number>({
      commit: async (items) => {
        if (items.includes(2)) throw new Error('bad item');
        return [...items];
      },
      maxBatch: 10,
      lanes: 1,
      isolates: () => true,
    });
    const results = await Promise.allSettled([1, 2, 3].map((item) => group.submit(item)));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('fails the whole batch when the fault is not of one item', async () => {
    const group = new GroupCommit<number, number>({
      commit: () => Promise.reject(new Error('database away')),
      maxBatch: 10,
      lanes: 1,
      isolates: () => false,
    });
    const results = await Promise.allSettled([1, 2].map((item) => group.submit(item)));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
  });

  describe('that gathers', () => {
    const at = async (rate: number, seconds: number, submit: () => void) => {
      const startedAt = performance.now();
      const all = rate * seconds;
      for (let sent = 0; sent < all;) {
        const due = Math.min(all, ((performance.now() - startedAt) * rate) / 1_000);
        for (; sent < due; sent += 1) submit();
        await sleep(1);
      }
    };
    const gathering = () => {
      const batches: { size: number; waited: number }[] = [];
      const group = new GroupCommit<number, number>({
        commit: (items) => {
          batches.push({ size: items.length, waited: performance.now() - (items[0] as number) });
          return Promise.resolve([...items]);
        },
        maxBatch: 100,
        lanes: 1,
        isolates: () => false,
        gather: { fromRate: 500, batch: 8, withinMs: 20 },
      });
      return { batches, submit: () => void group.submit(performance.now()), group };
    };
    const median = (numbers: number[]) => numbers.toSorted((one, other) => one - other)[numbers.length >> 1];
    // A machine that stands still makes the rate fall, and then rightly nothing waits: it is tried again.
    const TRIES = 10;

    it('lets nothing wait for company at a low rate, however many come at once', async () => {
      const { batches, submit } = gathering();
      await at(100, 0.7, submit);
      for (let index = 0; index < 20; index += 1) submit();
      await sleep(1);
      submit();
      await sleep(15);
      const sent = batches.map(({ size }) => size);
      expect(sent.reduce((sum, size) => sum + size, 0)).toBe(91);
      expect(sent.slice(-2)).toEqual([20, 1]);
    });

    it('sends batches of the size wanted at a high rate', async () => {
      let usual = 0;
      for (let tries = 0; usual < 8 && tries < TRIES; tries += 1) {
        const { batches, submit } = gathering();
        await at(1_600, 1.5, submit);
        usual = median(batches.slice(-100).map(({ size }) => size)) ?? 0;
      }
      expect(usual).toBeGreaterThanOrEqual(8);
    });

    it('sends a smaller one after the longest wait, and the last item of all', async () => {
      const lost = new LostTime();
      let last = { size: 0, waited: 0 };
      let most = 200;
      for (let tries = 0; last.waited <= 15 && tries < TRIES; tries += 1) {
        const { batches, submit, group } = gathering();
        await at(4_000, 0.7, submit);
        // Those before it have gone by then, and the rate has not fallen yet.
        await sleep(22);
        const from = Date.now();
        await group.submit(performance.now());
        last = batches.at(-1) as typeof last;
        most = 200 + (await lost.between(from, Date.now()));
      }
      await lost.stop();
      expect(last.size).toBe(1);
      expect(last.waited).toBeGreaterThan(15);
      expect(last.waited).toBeLessThan(most);
    });

    it('does not wait after a burst, however soon', async () => {
      const { batches, submit, group } = gathering();
      await at(1_600, 0.7, submit);
      await sleep(120);
      await group.submit(performance.now());
      expect(batches.at(-1)?.waited).toBeLessThan(15);
    });

    it('stops waiting once the rate falls', async () => {
      const { batches, submit, group } = gathering();
      await at(1_600, 0.7, submit);
      await sleep(600);
      await group.submit(performance.now());
      expect(batches.at(-1)?.size).toBe(1);
      expect(batches.at(-1)?.waited).toBeLessThan(15);
    });
  });
});
