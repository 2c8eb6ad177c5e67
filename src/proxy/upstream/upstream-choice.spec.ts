import { chosen, nextAfter } from './upstream-choice';

const server = (name: string, given: { running?: number; isDown?: boolean; isAway?: boolean } = {}) => ({
  url: `http://${name}:8000`,
  running: 0,
  isDown: false,
  isAway: false,
  ...given,
});
const users = Array.from({ length: 3_000 }, (_, index) => `user-${index}`);

describe('the server of a request', () => {
  it('is the only one there is, whatever is known of it', () => {
    const only = server('a', { running: 99, isDown: true, isAway: true });
    expect(chosen([only], 'user')).toBe(only);
  });

  it('is the same for all requests of a user, in every order of the servers', () => {
    const servers = ['a', 'b', 'c'].map((name) => server(name));
    for (const user of users.slice(0, 50)) {
      const { url } = chosen(servers, user);
      expect(chosen(servers.toReversed(), user).url).toBe(url);
    }
  });

  it('is any of them for different users, about as often', () => {
    const servers = ['gpu-1', 'gpu-2', 'gpu-3'].map((name) => server(name));
    for (const each of servers) {
      const share = users.filter((user) => chosen(servers, user) === each).length / users.length;
      expect(share).toBeGreaterThan(0.3);
      expect(share).toBeLessThan(0.37);
    }
  });

  it('stays where it is for who was not on a server that is gone', () => {
    const [a, b, c] = [server('a'), server('b'), server('c')];
    const away = { ...c, isAway: true };
    const elsewhere = users.filter((user) => chosen([a, b, c], user) !== c);
    expect(elsewhere.length).toBeGreaterThan(1_000);
    for (const user of elsewhere) expect(chosen([a, b, away], user)).toBe(chosen([a, b, c], user));
  });

  it.each([
    [0, 4, true],
    [0, 5, false],
    [100, 129, true],
    [100, 130, false],
  ])('where another has %d running and its own %d: its own is used, %s', (least, running, isUsed) => {
    const user = 'user';
    const names = ['a', 'b'].toSorted((one) =>
      chosen([server('a'), server('b')], user).url === server(one).url ? -1 : 1,
    );
    const [own, other] = [server(names[0] ?? '', { running }), server(names[1] ?? '', { running: least })];
    expect(chosen([own, other], user) === own).toBe(isUsed);
  });

  it('is one that is there and answers, then one that is only away, and any when all hang', () => {
    const [well, away, hung] = [server('a'), server('b', { isAway: true }), server('c', { isDown: true })];
    for (const user of users.slice(0, 50)) {
      expect(chosen([hung, away, well], user)).toBe(well);
      expect(chosen([hung, away], user)).toBe(away);
      expect(chosen([hung, { ...hung }], user)).toBe(hung);
    }
  });
});

describe('the next server for a request that was never connected', () => {
  it('is another one that does not hang; the same again where there is none; and none after that', () => {
    const [a, b, hung] = [server('a'), server('b'), server('c', { isDown: true })];
    const away = server('d', { isAway: true });
    expect(nextAfter([a], [a, b, hung, away], 'user')).toBe(b);
    expect(nextAfter([a, b], [a, b, hung, away], 'user')).toBeNull();
    // Of those that are away one is tried, lest a request waits for a connection to each.
    expect(nextAfter([a], [a, hung, away], 'user')).toBe(away);
    expect(nextAfter([a, away], [a, hung, away, server('e', { isAway: true })], 'user')).toBeNull();
    expect(nextAfter([a], [a], 'user')).toBe(a);
    expect(nextAfter([a], [a, hung], 'user')).toBe(a);
    expect(nextAfter([a, a], [a, hung], 'user')).toBeNull();
  });
});
