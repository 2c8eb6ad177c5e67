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
});
