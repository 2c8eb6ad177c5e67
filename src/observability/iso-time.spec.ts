import { isoTime } from './iso-time';

describe('isoTime', () => {
  it('is what a Date would say, within a second, at its edges and back again', () => {
    const times = [
      1_764_211_199_999, 1_764_211_200_000, 1_764_211_200_007, 1_764_211_200_089, 1_764_211_199_000,
    ];
    expect(times.map((time) => isoTime(time))).toEqual(times.map((time) => new Date(time).toISOString()));
  });
});
