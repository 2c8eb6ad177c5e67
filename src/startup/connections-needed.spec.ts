import { loadEnv } from '../config/load-env';
import { connectionShortage } from './connections-needed';

describe('a start', () => {
  it('says that the database allows fewer connections than all workers together may open', () => {
    const env = loadEnv({ WORKERS: '9', DATABASE_POOL_SIZE: '10' });
    expect(connectionShortage(env, 107, false)).toMatch(
      /allows 107 connections .* may open 108 \(9 worker.* or max_connections higher$/,
    );
    expect(connectionShortage(env, 107, true)).toMatch(/or start this one before the others of its folder$/);
    expect(connectionShortage(env, 108, false)).toBeNull();
  });
});
