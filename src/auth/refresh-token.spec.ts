import { randomBytes, randomUUID } from 'node:crypto';
import { formatRefreshToken, parseRefreshToken, refreshTokenHash, successorOf } from './refresh-token';

const key = randomBytes(32);
const token = { sessionId: randomUUID(), generation: 7, secret: randomBytes(32) };

describe('refresh tokens', () => {
  it('survive the way to the client and back', () => {
    expect(parseRefreshToken(key, formatRefreshToken(key, token))).toEqual(token);
  });

  it('are refused when any character is changed', () => {
    const text = formatRefreshToken(key, token);
    const accepted = [...text].filter((character, i) => {
      const changed = text.slice(0, i) + (character === 'A' ? 'B' : 'A') + text.slice(i + 1);
      return parseRefreshToken(key, changed) !== null;
    });
    expect(accepted).toEqual([]);
  });

  it('are refused when another key made them, or when they are something else', () => {
    expect(parseRefreshToken(randomBytes(32), formatRefreshToken(key, token))).toBeNull();
    expect(parseRefreshToken(key, 'llmr_')).toBeNull();
    expect(parseRefreshToken(key, 'eyJhbGciOiJIUzI1NiJ9.e30.x')).toBeNull();
  });

  it('have exactly one successor, which does not lead back', () => {
    const successor = successorOf(key, token);
    expect(successorOf(key, token)).toEqual(successor);
    expect(successor).toMatchObject({ sessionId: token.sessionId, generation: 8 });
    expect(refreshTokenHash(successor)).not.toEqual(refreshTokenHash(token));
    expect(successorOf(randomBytes(32), token)).not.toEqual(successor);
  });
});
