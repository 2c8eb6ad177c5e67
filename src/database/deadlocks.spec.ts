import { DatabaseError } from 'pg';
import { againAfterDeadlocks } from './deadlocks';

const failure = (code: string) => Object.assign(new DatabaseError('undone', 6, 'error'), { code });

describe('a transaction that PostgreSQL undid to end a deadlock', () => {
  const runsThatFail = (times: number, code: string) => {
    const begun: number[] = [];
    const run = () => {
      begun.push(performance.now());
      return begun.length <= times ? Promise.reject(failure(code)) : Promise.resolve('done');
    };
    return { begun, run };
  };

  it('runs again, and not at once: who was in the way has to be awake first', async () => {
    const { begun, run } = runsThatFail(2, '40P01');
    await expect(againAfterDeadlocks(run)).resolves.toBe('done');
    const [first = 0, second = 0, third = 0] = begun;
    // Timers may fire a millisecond early.
    expect(second - first).toBeGreaterThan(8);
    expect(third - second).toBeGreaterThan(18);
  });

  it('does not run for ever', async () => {
    const { begun, run } = runsThatFail(Infinity, '40P01');
    await expect(againAfterDeadlocks(run)).rejects.toMatchObject({ code: '40P01' });
    expect(begun).toHaveLength(5);
  });

  it('does not run again after another error', async () => {
    const { begun, run } = runsThatFail(1, '23505');
    await expect(againAfterDeadlocks(run)).rejects.toMatchObject({ code: '23505' });
    expect(begun).toHaveLength(1);
  });
});
