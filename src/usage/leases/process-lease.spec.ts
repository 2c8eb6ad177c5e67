import { Env } from '../../config/env';
import { HotStatements } from '../../database/hot-statements';
import { OpenRequests } from './open-requests';
import { ProcessIdentity } from './process-identity';
import { ProcessLease } from './process-lease.service';

const LEASE_MS = 10_000;

describe('the lease of a process', () => {
  let lease: ProcessLease;
  const clocks = { steady: 0, wall: 0 };

  beforeEach(async () => {
    Object.assign(clocks, { steady: 1_000_000, wall: 1_700_000_000_000 });
    jest.spyOn(performance, 'now').mockImplementation(() => clocks.steady);
    jest.spyOn(Date, 'now').mockImplementation(() => clocks.wall);
    const statements = { run: () => Promise.resolve([]) } as unknown as HotStatements;
    const env = Object.assign(new Env(), { PROCESS_LEASE_MS: LEASE_MS });
    lease = new ProcessLease(statements, new ProcessIdentity(), new OpenRequests(), env);
    await lease.renew();
  });
  afterEach(() => jest.restoreAllMocks());

  const pass = (steady: number, wall = steady): void => {
    clocks.steady += steady;
    clocks.wall += wall;
  };

  it('is held until a beat before its end', () => {
    pass(LEASE_MS - 2_001);
    expect(lease.isHeld).toBe(true);
    pass(1);
    expect(lease.isHeld).toBe(false);
  });

  it('has run out where the machine slept, and others may have acted since', async () => {
    pass(LEASE_MS);
    await lease.renew();
    pass(LEASE_MS / 2);
    await lease.renew();
    expect([lease.isHeld, lease.isSteady]).toEqual([true, false]);
    pass(LEASE_MS / 2);
    await lease.renew();
    expect(lease.isSteady).toBe(true);
    pass(100, 3_600_000);
    expect(lease.isHeld).toBe(false);
    await lease.renew();
    expect([lease.isHeld, lease.isSteady]).toEqual([true, false]);
  });

  it('is not lengthened by a clock that is set back', () => {
    pass(LEASE_MS, -3_600_000);
    expect(lease.isHeld).toBe(false);
  });
});
