import { offeredBy } from './served-models';

const card = (id: string, maxModelLen: number | null, root = id, parent: string | null = null) => ({
  id,
  root,
  parent,
  maxModelLen,
});
const [a, b] = ['a', 'b'].map((name) => ({ name, served: null }));

describe('what several servers serve', () => {
  it('is one model where they call it the same, with the smallest window that is told', () => {
    const first = { ...a, served: [card('large', 32_768), card('own', 8_192)] };
    const second = { ...b, served: [card('large', 16_384), card('other', null)] };
    const told = offeredBy([first, second]).map(({ id, window, servers }) => [
      id,
      window,
      servers.map(({ name }) => name).join(),
    ]);
    expect(told).toEqual([
      ['large', 16_384, 'a,b'],
      ['own', 8_192, 'a'],
      ['other', null, 'b'],
    ]);
  });

  it.each([
    [null, 4_096],
    [4_096, null],
  ])('has the window that one of them tells: %s, %s', (one, other) => {
    const servers = [one, other].map((window) => ({ served: [card('large', window)] }));
    expect(offeredBy(servers)).toMatchObject([{ window: 4_096 }]);
  });

  it('gives an adapter the window that its parent has on the same server', () => {
    const adapter = card('tuned', null, 'path', 'large');
    const servers = [
      { served: [card('large', 4_096), adapter] },
      { served: [card('large', 2_048), adapter] },
    ];
    expect(offeredBy(servers).find(({ id }) => id === 'tuned')).toMatchObject({
      window: 2_048,
      parent: 'large',
    });
  });

  it('is nothing of one that has never said anything, and once what one says twice', () => {
    const twice = { served: [card('large', 4_096), card('large', 4_096)] };
    expect(offeredBy([{ served: null }, twice])).toMatchObject([{ id: 'large', servers: [twice] }]);
  });
});
