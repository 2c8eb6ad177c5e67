import { neverConnected } from './never-connected';

const failure = (code: string) => Object.assign(new Error('connect'), { code });

describe('a request that was not dispatched', () => {
  it.each(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', 'EMFILE'])(
    'was never connected when it failed with %s',
    (code) => {
      expect(neverConnected(failure(code))).toBe(true);
    },
  );

  it.each(['ECONNRESET', 'UND_ERR_DESTROYED'])('may have been when it failed with %s', (code) => {
    expect(neverConnected(failure(code))).toBe(false);
  });
});
