import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';
import { send } from './support/send';

const LONG = `SIM:{"tokens":5} ${'long words '.repeat(300)}`;

describe('a limit on tokens without room for a prompt', () => {
  let gateway: TestGateway;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    gateway = await startGateway();
    admin = await gateway.registerAdmin();
    user = await gateway.register();
  });
  afterAll(() => gateway.close());

  const allow = async (amount: number) => {
    const json = { subject: 'user', subject_id: user.id, metric: 'tokens', window: 'day', amount };
    const url = `${gateway.url}/admin/limits`;
    expect((await send(url, { method: 'PUT', bearer: admin.accessToken, json })).status).toBe(200);
  };
  const ask = async (content: string) => {
    const json = { model: 'opencode-llm', messages: [{ role: 'user', content }] };
    const { status, body } = await send(`${gateway.url}/v1/chat/completions`, { bearer: user.key, json });
    await untilNothingOpen(gateway);
    return [status, (body.error as { message: string } | undefined)?.message];
  };

  it('is said to be too small for it, to have too little left, or to be used up', async () => {
    const tooSmall =
      /^This prompt .* need more tokens than your account may use in a day\. Waiting does not help/;
    const tooLittle =
      /^This prompt .* than are left today of the quota of your account\. It resets at the start/;
    const usedUp = /^The token quota of your account is used up today\. It resets at the start/;
    const refusal = (message: RegExp) => [402, expect.stringMatching(message)];
    await allow(400);
    expect(await ask(LONG)).toEqual(refusal(tooSmall));
    expect(await ask('SIM:{"tokens":5}')).toEqual([200, undefined]);
    expect(await ask(LONG)).toEqual(refusal(tooSmall));
    await allow(900);
    expect(await ask(LONG)).toEqual([200, undefined]);
    expect(await ask(LONG)).toEqual(refusal(tooLittle));
    await allow(620);
    expect(await ask(LONG)).toEqual(refusal(usedUp));
  });
});
