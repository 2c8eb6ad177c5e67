import { setTimeout as sleep } from 'node:timers/promises';
import { RelayService } from '../src/proxy/relay/relay.service';
import { UpstreamClient } from '../src/proxy/upstream/upstream.client';
import { AdmissionService } from '../src/usage/admission/admission.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { counterDifferences, settledRows } from './support/ledger';
import { call } from './support/stream-client';
import { CHAT, STREAM } from './support/wire';

describe('an admitted request that is never sent', () => {
  let gateway: TestGateway;
  let user: TestUser;
  beforeEach(async () => {
    user = await gateway.register();
  });
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => gateway.close());

  const ask = (hangUpAfterMs?: number) =>
    call({
      url: gateway.url,
      path: CHAT,
      credential: user.key,
      body: JSON.parse(STREAM) as object,
      ...(hangUpAfterMs === undefined ? {} : { hangUpAfterMs }),
    });
  const rows = async () =>
    (await settledRows(gateway, user.id)).map(({ outcome, source, status, prompt_tokens }) => [
      outcome,
      source,
      status,
      prompt_tokens,
    ]);

  it('takes no connection to vLLM when its client left while it waited for admission', async () => {
    const admission = gateway.app.get(AdmissionService);
    const decide = admission.decide.bind(admission);
    const admitted = new Promise<void>((resolve) =>
      jest.spyOn(admission, 'decide').mockImplementation(async (request) => {
        await sleep(400);
        return decide(request).finally(resolve);
      }),
    );
    const sent = jest.spyOn(gateway.app.get(UpstreamClient), 'send');
    await ask(200);
    await admitted;
    expect(await rows()).toEqual([['client_closed', 'exact', 499, 0]]);
    expect(sent).not.toHaveBeenCalled();
    expect(await counterDifferences(gateway)).toEqual([]);
  });

  it('leaves nothing reserved when something fails before', async () => {
    jest.spyOn(gateway.app.get(RelayService), 'relay').mockImplementation(() => {
      throw new Error('a fault of the gateway');
    });
    const answer = await ask();
    expect([answer.status, answer.text]).toEqual([500, expect.stringContaining('"internal_error"')]);
    expect(await rows()).toEqual([['rejected', 'exact', 500, 0]]);
    expect(await counterDifferences(gateway)).toEqual([]);
    jest.restoreAllMocks();
    expect((await ask()).status).toBe(200);
  });
});
