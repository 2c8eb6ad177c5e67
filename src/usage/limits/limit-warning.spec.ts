import { limitWarning, spentShare } from './limit-warning';

const warning = (limit: number, remaining: number) => limitWarning(spentShare({ limit, remaining }));

describe('a warning before a limit', () => {
  it.each([
    [1_000, 201, null],
    [1_000, 200, '80_percent'],
    [1_000, 51, '80_percent'],
    [1_000, 50, '95_percent'],
    [1_000, 0, '95_percent'],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, null],
    [0, 0, '95_percent'],
  ])('of %i with %i left is %s', (limit, remaining, expected) => {
    expect(warning(limit, remaining)).toBe(expected);
  });
});
