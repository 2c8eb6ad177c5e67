import { NestFactory } from '@nestjs/core';
import { AdminAccounts } from '../src/admin-create/admin-accounts';
import { AdminCreateModule } from '../src/admin-create/admin-create.module';
import { asAdmin } from './support/administration';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

const NEW = 'a quiet lantern burns on';
const HOME = '192.0.2.1';
const OFFICE = '2001:db8:1:2::1';
const ELSEWHERE = '198.51.100.1';

describe('wrong passwords', () => {
  let gateway: TestGateway;
  let replica: TestGateway;
  let admin: TestUser;
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const logIn = (username: string, password: string, address: string, at = gateway) =>
    send(`${at.url}/auth/token`, { json: { username, password }, headers: from(address) });
  const fail = async (username: string, address: string) => {
    for (let i = 0; i < 10; i += 1) await logIn(username, 'wrong', address);
    expect((await logIn(username, 'wrong', address)).status).toBe(429);
  };
  const useLink = async (user: TestUser, at = gateway) => {
    const path = `/users/${user.id}/password-reset`;
    const { body } = await asAdmin(gateway, admin)(path, { method: 'POST' });
    const json = { token: body.token, new_password: NEW };
    return send(`${at.url}/auth/password-reset`, { json, headers: from(ELSEWHERE) });
  };
  const changeIt = (user: TestUser) =>
    send(`${gateway.url}/auth/password`, {
      bearer: user.accessToken,
      json: { current_password: user.password, new_password: NEW },
      headers: from(ELSEWHERE),
    });
  const resetAtTheServer = async ({ username }: TestUser) => {
    const app = await NestFactory.createApplicationContext(AdminCreateModule.forEnv(gateway.env), {
      logger: false,
    });
    await app.get(AdminAccounts).reset({ username, password: NEW, passwordGenerated: false });
    await app.close();
  };

  beforeAll(async () => {
    gateway = await startGateway({ settings: { TRUST_PROXY: '1' } });
    replica = await startGateway({ replicaOf: gateway, settings: { TRUST_PROXY: '1' } });
    admin = await gateway.registerAdmin();
  });
  afterEach(() => gateway.dataSource.query('DELETE FROM login_throttles'));
  afterAll(async () => {
    await replica.close();
    await gateway.close();
  });

  it.each([
    ['a password link', useLink],
    ['POST /auth/password', changeIt],
    ['admin:create --reset', resetAtTheServer],
  ])('keep nobody out who has set a new one with %s, from no address', async (_, setNew) => {
    const ada = await gateway.register();
    await fail(ada.username, HOME);
    await fail(ada.username.toUpperCase(), OFFICE);
    await setNew(ada);
    for (const address of [HOME, OFFICE]) {
      const answers = [await logIn(ada.username, 'wrong', address), await logIn(ada.username, NEW, address)];
      expect(answers.map(({ status }) => status)).toEqual([401, 200]);
    }
  });

  it.each([
    [
      'somebody',
      'of one username',
      HOME,
      ' for this username',
      ', or ask an administrator for a password link',
    ],
    [
      'nobody',
      'of one username',
      HOME,
      ' for this username',
      ', or ask an administrator for a password link',
    ],
    ['somebody', 'of one address', OFFICE, ' from your network', ''],
  ])('tell people how long to wait, the same for %s: %s', async (who, which, address, where, wayOut) => {
    const username = who === 'nobody' ? 'nobody-here' : (await gateway.register()).username;
    if (which === 'of one username') await fail(username, address);
    else {
      await logIn('somebody-else', 'wrong', address);
      await gateway.dataSource.query('UPDATE login_throttles SET failures = 100 WHERE account IS NULL');
    }
    const { body, headers } = await logIn(username, 'wrong', address);
    const minutes = Math.ceil(Number(headers.get('retry-after')) / 60);
    expect([minutes > 10, body]).toEqual([
      true,
      {
        error: 'rate_limit_exceeded',
        error_description: `Too many wrong passwords${where}; try again in ${minutes} minutes${wayOut}.`,
      },
    ]);
  });

  it('are forgotten on every replica', async () => {
    const ada = await gateway.register();
    await fail(ada.username, HOME);
    expect((await useLink(ada, replica)).status).toBe(204);
    expect((await logIn(ada.username, NEW, HOME)).status).toBe(200);
  });

  it('stay counted when the new password or the link is refused', async () => {
    const ada = await gateway.register();
    await fail(ada.username, HOME);
    const { body } = await asAdmin(gateway, admin)(`/users/${ada.id}/password-reset`, { method: 'POST' });
    for (const [token, new_password] of [
      [body.token, 'short'],
      [`llmp_${'x'.repeat(43)}`, NEW],
    ]) {
      const refused = await send(`${gateway.url}/auth/password-reset`, { json: { token, new_password } });
      expect(refused.status).toBe(400);
    }
    expect((await logIn(ada.username, ada.password, HOME)).status).toBe(429);
  });

  it('of other accounts stay counted, and so does an address that tried many', async () => {
    const [ada, bob] = [await gateway.register(), await gateway.register()];
    await fail(bob.username, HOME);
    await fail('nobody-here', HOME);
    for (let i = 0; i < 80; i += 1) await logIn(`nobody-${i}`, 'wrong', OFFICE);
    for (let i = 0; i < 20; i += 1) await logIn(i % 2 ? ada.username : bob.username, 'wrong', OFFICE);
    await useLink(ada);
    expect((await logIn(bob.username, bob.password, HOME)).status).toBe(429);
    expect((await logIn('nobody-here', 'wrong', HOME)).status).toBe(429);
    expect((await logIn(ada.username, NEW, OFFICE)).status).toBe(429);
    expect((await logIn(ada.username, NEW, HOME)).status).toBe(200);
  });
});
