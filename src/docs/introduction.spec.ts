import { loadEnv } from '../config/load-env';
import { introduction } from './introduction';

describe('the introduction of the page', () => {
  it.each([
    ['open', '1. Make an account with **POST /auth/register**.'],
    ['invite', '1. Ask an administrator for an account.'],
    ['closed', '1. Ask an administrator for an account.'],
  ])('with REGISTRATION=%s begins with: %s', (mode, way) => {
    const text = introduction(loadEnv({ NODE_ENV: 'test', REGISTRATION: mode }));
    expect(text).toContain(way);
    // Nobody hands out invitations yet.
    expect(text).not.toMatch(/invitation/i);
  });
});
