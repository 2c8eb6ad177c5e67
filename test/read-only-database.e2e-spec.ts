import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';
import { BODY, CHAT } from './support/wire';

describe('a database that answers and takes nothing', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let owner: Client;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { PROCESS_LEASE_MS: '1000' } });
    user = await gateway.register();
    owner = new Client({ connectionString: gateway.env.DATABASE_URL });
    await owner.connect();
  });
  afterAll(async () => {
    await owner.end();
    await gateway.close();
  });

  const ready = () => send(`${gateway.url}/health/ready`);
  const generate = async () => (await gateway.post(CHAT, user.key, BODY)).status;
  const logIn = async () => {
    const { username, password } = user;
    const { status, body } = await send(`${gateway.url}/auth/token`, {
      method: 'POST',
      json: { username, password },
    });
    return [status, body.error ?? body.code];
  };
  const untilReadyIs = async (wanted: number) => {
    for (let n = 0; n < 600 && (await ready()).status !== wanted; n += 1) await sleep(50);
    expect((await ready()).status).toBe(wanted);
  };
  const name = () => new URL(gateway.env.DATABASE_URL ?? '').pathname.slice(1);

  it('is none to be ready with: all is 503 while it is read-only, and goes on when it is not any more', async () => {
    expect((await ready()).status).toBe(200);
    // As after a failover to a standby that is not promoted yet.
    await owner.query(`ALTER DATABASE "${name()}" SET default_transaction_read_only = on`);
    await owner.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await untilReadyIs(503);
    expect((await ready()).body).toMatchObject({ status: 'unavailable', database: 'down' });
    expect(await logIn()).toEqual([503, 'database_unavailable']);
    expect(await generate()).toBe(503);

    await owner.query(`ALTER DATABASE "${name()}" RESET default_transaction_read_only`);
    await untilReadyIs(200);
    expect((await logIn())[0]).toBe(200);
    expect(await generate()).toBe(200);
  });

  it('is none to be ready with when the lease of the process cannot be kept there', async () => {
    // As on a server without disk, which still reads.
    await owner.query(
      `CREATE FUNCTION no_disk() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER no_disk BEFORE INSERT OR UPDATE ON processes EXECUTE FUNCTION no_disk()`,
    );
    await untilReadyIs(503);
    expect((await ready()).body).toMatchObject({ database: 'down' });
    await owner.query('DROP TRIGGER no_disk ON processes');
    await untilReadyIs(200);
    expect(await generate()).toBe(200);
  });
});
