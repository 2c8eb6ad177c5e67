import { FoldFinalSigma1764000001771 } from '../migrations/1764000001771-fold-final-sigma';
import { startGateway, TestGateway } from './support/gateway';
import { send } from './support/send';

const PASSWORD = 'a quiet lantern burns on';

describe('usernames that end with a sigma', () => {
  let gateway: TestGateway;
  const register = (username: string) =>
    send(`${gateway.url}/auth/register`, { json: { username, password: PASSWORD } });
  const logIn = async (username: string) =>
    (await send(`${gateway.url}/auth/token`, { json: { username, password: PASSWORD } })).status;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it('are one name, whichever sigma they are written with', async () => {
    expect((await register('ΟΔΥΣΣΕΥΣ')).status).toBe(201);
    for (const username of ['οδυσσευς', 'οδυσσευσ', 'Οδυσσευς']) {
      expect((await register(username)).body.code).toBe('username_taken');
      expect(await logIn(username)).toBe(200);
    }
  });

  it('are folded in accounts that are there already, unless two would become one', async () => {
    const keys: Record<string, string> = {
      μινως: 'μινωσ',
      // Taken: by an account, and by the first of two.
      ζευς: 'ζευς',
      ζευσ: 'ζευσ',
      ςας: 'σασ',
      ςασ: 'ςασ',
      ada: 'ada',
    };
    for (const key of Object.keys(keys)) {
      await gateway.dataSource.query(
        `INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), $1, $1)`,
        [key],
      );
    }
    const queryRunner = gateway.dataSource.createQueryRunner();
    await new FoldFinalSigma1764000001771().up(queryRunner);
    await queryRunner.release();
    const rows: { username: string; username_key: string }[] = await gateway.dataSource.query(
      'SELECT username, username_key FROM users WHERE username = ANY ($1)',
      [Object.keys(keys)],
    );
    expect(Object.fromEntries(rows.map((row) => [row.username, row.username_key]))).toEqual(keys);
  });
});
