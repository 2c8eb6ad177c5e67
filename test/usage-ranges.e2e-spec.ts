import { startGateway, TestGateway, TestUser } from './support/gateway';
import { send } from './support/send';

const YEAR_OF_FIVE_DIGITS = /\+0\d{5}-/;

describe.each(['UTC', 'Pacific/Kiritimati', 'Etc/GMT+12'])('a range of days in %s', (zone) => {
  let gateway: TestGateway;
  let admin: TestUser;
  let keyId: string;

  beforeAll(async () => {
    gateway = await startGateway({ settings: { LIMITS_TIME_ZONE: zone } });
    admin = await gateway.registerAdmin();
    const keys = await send(`${gateway.url}/users/me/api-keys`, { bearer: admin.accessToken });
    keyId = (JSON.parse(keys.text) as [{ id: string }])[0].id;
  });
  afterAll(() => gateway.close());

  /** Reports add up a range, which is a month unless it is given; lists of records look back from `to`. */
  const reports = () => ['/admin/usage', '/users/usage', `/users/me/api-keys/${keyId}/usage`];
  const lists = ['/admin/usage/records', '/admin/audit-log', '/users/usage/records'];
  const ask = async (path: string, query: string) => {
    const answer = await send(`${gateway.url}${path}?${query}`, { bearer: admin.accessToken });
    expect([path, query, answer.text]).toEqual([path, query, expect.not.stringMatching(YEAR_OF_FIVE_DIGITS)]);
    return answer;
  };

  it.each([
    ['2026-11-29', '2026-11-28'],
    ['2026-11-30', '2026-11-28'],
    ['2027-01-01', '2026-12-31'],
  ])('that begins on %s and ends on %s is refused', async (from, to) => {
    for (const path of [...reports(), ...lists]) {
      const { status, body } = await ask(path, `from=${from}&to=${to}`);
      expect([path, status, body.param, body.detail]).toEqual([
        path,
        400,
        'from',
        'from must not be after to.',
      ]);
    }
  });

  it('may be of one day, or of no time at all', async () => {
    for (const path of [...reports(), ...lists]) {
      const instant = '2026-11-28T12:00:00Z';
      expect([path, (await ask(path, 'from=2026-11-28&to=2026-11-28')).status]).toEqual([path, 200]);
      expect([path, (await ask(path, `from=${instant}&to=${instant}`)).status]).toEqual([path, 200]);
    }
  });

  it('that begins after this month is told so, when no end was sent', async () => {
    for (const path of reports()) {
      const { status, body } = await ask(path, 'from=9999-12-31');
      expect([path, status, body.param, body.detail]).toEqual([
        path,
        400,
        'from',
        'from must not be after the end of this month, with which the range ends unless to is sent.',
      ]);
    }
    for (const path of lists)
      expect([path, (await ask(path, 'from=9999-12-31')).status]).toEqual([path, 200]);
  });

  it.each(['9999-12-31T23:59:59-00:01', '9999-12-31T12:00:00-12:00'])(
    'may not reach up to %s, which lies beyond the years that can be answered',
    async (late) => {
      for (const path of [...reports(), ...lists]) {
        for (const name of ['from', 'to']) {
          const { status, body } = await ask(path, `${name}=${late}`);
          expect([path, name, status, body.detail]).toEqual([
            path,
            name,
            400,
            `${name} must not be after 9999-12-31T23:59:59.999Z`,
          ]);
        }
      }
    },
  );

  it('may reach up to the last day there is, and is told in years of four digits', async () => {
    for (const path of [...reports(), ...lists]) {
      for (const to of ['9999-12-31', '9999-12-31T23:59:59.999Z', '0001-01-01'])
        expect([path, to, (await ask(path, `to=${to}`)).status]).toEqual([path, to, 200]);
      expect((await ask(path, 'from=9999-12-31&to=9999-12-31')).status).toBe(200);
      expect((await ask(path, 'from=1900-01-01&to=9999-12-31')).body.code).toBe('range_too_long');
    }
  });
});
