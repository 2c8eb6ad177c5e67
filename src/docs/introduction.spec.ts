import { loadEnv } from '../config/load-env';
import { introduction } from './introduction';

describe('the introduction of the page', () => {
  it.each([
    ['open', '1. Make an account with **POST /auth/register**.'],
    [
      'invite',
      '1. Ask an administrator for an invitation, and make an account with **POST /auth/register**.',
    ],
    ['closed', '1. Ask an administrator for an account.'],
  ])('with REGISTRATION=%s begins with: %s', (mode, way) => {
    expect(introduction(loadEnv({ NODE_ENV: 'test', REGISTRATION: mode }))).toContain(way);
  });
});
