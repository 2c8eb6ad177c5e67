import { neverConnected, notConnected } from './never-connected';

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

  it.each(['ECONNREFUSED', 'ECONNRESET', 'EPROTO', 'CERT_HAS_EXPIRED', 'UND_ERR_CONNECT_TIMEOUT'])(
    'was not, for certain, when it ended before it was dispatched, with %s',
    (code) => {
      expect(notConnected(failure(code))).toBe(true);
    },
  );

  it.each(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED'])('tells nothing of the server with %s', (code) => {
    expect(notConnected(failure(code))).toBe(false);
  });
});
