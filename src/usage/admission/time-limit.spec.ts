import { once } from 'node:events';
import { AddressInfo, connect, createServer } from 'node:net';
import { LATE, TimeLimit } from './time-limit';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(resolve, ms, value));

describe('TimeLimit', () => {
  it('gives what comes in time, and nothing of what comes later', async () => {
    const limit = new TimeLimit(60);
    let come: (value: string) => void = () => undefined;
    const late = new Promise<string>((resolve) => (come = resolve));
    const inTime = [limit.wait(Promise.resolve(1)), limit.wait(turn().then(() => 2))];
    expect(await Promise.all([...inTime, limit.wait(late)])).toEqual([1, 2, LATE]);
    come('later');
    await turn();
  });

  it('fails with what fails in time, and is late for what fails later', async () => {
    const limit = new TimeLimit(60);
    const failure = new Error('broken');
    await expect(limit.wait(turn().then(() => Promise.reject(failure)))).rejects.toBe(failure);
    let fail: (why: Error) => void = () => undefined;
    const late = new Promise((_, reject) => (fail = reject));
    expect(await limit.wait(late)).toBe(LATE);
    // And nobody is told of it: a rejection that nobody handles would end the process.
    fail(failure);
    await turn();
  });

  it('gives each its whole time, whenever it began', async () => {
    const limit = new TimeLimit(100);
    const startedAt = performance.now();
    const lasted = async (beginning: number) => {
      await after(beginning, null);
      const began = performance.now();
      expect(await limit.wait(new Promise(() => undefined))).toBe(LATE);
      return performance.now() - began;
    };
    // The second begins while the first waits, the third when nobody has waited for a while.
    for (const wait of await Promise.all([0, 50, 300].map(lasted))) {
      expect(wait).toBeGreaterThan(95);
    }
    expect(performance.now() - startedAt).toBeGreaterThan(395);
  });

  it('takes what lay in a socket while the process stood still', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
    const answer = new TimeLimit(20).wait(once(client, 'data').then(String));
    accepted.write('here');
    const until = performance.now() + 100;
    while (performance.now() < until);
    expect(await answer).toBe('here');
    client.destroy();
    server.close();
  });

  it('has no timer left once all that it waited for is decided and its time is over', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    const limit = new TimeLimit(30);
    await Promise.all([limit.wait(after(1, 1)), limit.wait(after(2, 2))]);
    while (timers() > before) await after(5, null);
    expect(await limit.wait(after(1, 3))).toBe(3);
  });
});
