import { once } from 'node:events';
import { AddressInfo, connect, createServer } from 'node:net';
import { LATE, TimeLimit } from './time-limit';

const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(resolve, ms, value));

describe('TimeLimit', () => {
  it('gives what comes in time, and nothing of what comes later', async () => {
    const limit = new TimeLimit(60);
    expect(await Promise.all([1, 20, 120].map((ms) => limit.wait(after(ms, ms))))).toEqual([1, 20, LATE]);
  });

  it('fails with what fails in time, and is late for what fails later', async () => {
    const limit = new TimeLimit(60);
    const failure = new Error('broken');
    const failing = (ms: number) => limit.wait(after(ms, null).then(() => Promise.reject(failure)));
    await expect(failing(1)).rejects.toBe(failure);
    expect(await failing(120)).toBe(LATE);
    await after(120, null);
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
      expect(wait).toBeLessThan(1_000);
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
