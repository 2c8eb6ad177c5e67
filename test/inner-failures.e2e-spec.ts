import { Logger } from '@nestjs/common';
import { ModelsService } from '../src/openai-compat/models.service';
import { AdmissionService } from '../src/usage/admission/admission.service';
import { UserProfiles } from '../src/users/user-profiles';
import { UsersService } from '../src/users/users.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { faultsOf } from './support/house-rules';
import { send, Sent } from './support/send';

/** Says what it should not. */
const FAULT = new TypeError(
  "Cannot read properties of undefined (reading 'canary') at /srv/app/dist/main.js:1",
);

describe('a fault of the gateway itself', () => {
  let gateway: TestGateway;
  let user: TestUser;
  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => gateway.close());

  const generation = { model: 'opencode-llm', messages: [{ role: 'user', content: 'hi' }] };
  const CASES: [path: string, sent: () => Sent, breaks: () => jest.SpyInstance][] = [
    [
      '/auth/token',
      () => ({ json: { username: user.username, password: user.password } }),
      () => jest.spyOn(gateway.app.get(UsersService), 'verifyCredentials'),
    ],
    [
      '/users/me',
      () => ({ bearer: user.accessToken }),
      () => jest.spyOn(gateway.app.get(UserProfiles), 'get'),
    ],
    ['/v1/models', () => ({ bearer: user.key }), () => jest.spyOn(gateway.app.get(ModelsService), 'list')],
    [
      '/v1/chat/completions',
      () => ({ bearer: user.key, json: generation }),
      () => jest.spyOn(gateway.app.get(AdmissionService), 'decide'),
    ],
    [
      '/chat/completions',
      () => ({ bearer: user.accessToken, json: generation }),
      () => jest.spyOn(gateway.app.get(AdmissionService), 'decide'),
    ],
  ];

  it.each(CASES)(
    'at %s is a 500 in its envelope, which the log knows by its id',
    async (path, sent, breaks) => {
      const logged = jest.spyOn(Logger.prototype, 'error');
      breaks().mockImplementation(() => {
        throw FAULT;
      });
      const answer = await send(gateway.url + path, sent());
      expect([answer.status, faultsOf(path, 'GET', answer)]).toEqual([500, ['status 500']]);
      expect(answer.text).not.toMatch(/canary|TypeError|srv/);
      expect(logged.mock.calls).toEqual([
        [{ request_id: answer.headers.get('x-request-id'), err: FAULT }, 'request failed'],
      ]);
      jest.restoreAllMocks();
      expect((await send(gateway.url + path, sent())).status).toBe(200);
    },
  );
});
