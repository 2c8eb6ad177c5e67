import { setTimeout as sleep } from 'node:timers/promises';
import { MOST_A_MINUTE, UnbilledCounts } from '../src/proxy/request/unbilled-counts';
import { ReservationService } from '../src/proxy/reservation.service';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { settledRows, untilNothingOpen } from './support/ledger';
import { onlyUpstream } from './support/only-upstream';
import { leaveTokens, tokensUsed } from './support/room-left';

const CHAT = '/v1/chat/completions';
const WINDOW = 32_768;
const said = (steps: object) => ({ role: 'user', content: `SIM:${JSON.stringify(steps)}` });
const system = (content: string) => ({ role: 'system', content });
/** Some 16,000 tokens. */
const LONG = 'one two three four '.repeat(4_000);
const EFFORT = 128 + 16;

/** /tokenize of vLLM counts less of some chats than it renders. */
describe('a limit where the counts of vLLM fall short', () => {
  let gateway: TestGateway;
  let user: TestUser;

  beforeEach(async () => {
    gateway = await startGateway({ simulator: { models: [{ id: 'served', maxModelLen: WINDOW }] } });
    user = await gateway.register();
  });
  afterEach(() => gateway.close());
  afterEach(() => jest.restoreAllMocks());

  const ask = async (body: object, asking = user) => {
    const answer = await gateway.post(CHAT, asking.key, { model: 'served', max_tokens: 16, ...body });
    await answer.text();
    return answer.status;
  };
  const leave = (amount: number) => leaveTokens(gateway, user.id, amount);
  const used = () => tokensUsed(gateway, user.id);
  const counts = () => gateway.simulator.journal.entries.filter(({ path }) => path === '/tokenize').length;

  const unbilled = () =>
    (gateway.app.get(ReservationService, { strict: false }) as unknown as { unbilled: UnbilledCounts })
      .unbilled;

  describe('for gpt-oss before vLLM 0.33', () => {
    beforeEach(() => Object.assign(gateway.simulator.settings, { gptOss: true }));

    const call = (id: string) => ({
      id,
      type: 'function',
      function: { name: 'look', arguments: JSON.stringify({ at: 'one two three four '.repeat(25) }) },
    });
    const results = ['1', '2', '3'].map((id) => ({ role: 'tool', tool_call_id: id, content: 'x' }));
    const turn = [
      {
        role: 'assistant',
        content: '',
        reasoning: LONG.slice(0, 4_000),
        tool_calls: ['1', '2', '3'].map(call),
      },
      ...results,
    ];

    it.each<[string, object[]]>([
      ['instructions that come later', [said({ tokens: 5 }), system(LONG)]],
      ['calls of several tools, and what was thought', [said({ tokens: 5 }), ...turn, ...turn, ...turn]],
    ])('holds for %s, twenty at once', async (_, messages) => {
      await leave(4_000);
      const statuses = await Promise.all(Array.from({ length: 20 }, () => ask({ messages })));
      expect(new Set(statuses)).toEqual(new Set([402]));
      expect(await used()).toBe(0);
    });

    it('lets what fits by its bytes through, and nothing of it above the limit', async () => {
      await leave(4_000);
      const messages = [said({ tokens: 5 }), system('one two three four '.repeat(30))];
      const statuses = await Promise.all(Array.from({ length: 20 }, () => ask({ messages })));
      expect(statuses).toContain(200);
      expect(await used()).toBeLessThanOrEqual(4_000);
    });

    it('bills a prompt that was left before its first event by more than such a count', async () => {
      const leaving = new AbortController();
      const body = { model: 'served', stream: true, messages: [said({ ttftMs: 60_000 }), system(LONG)] };
      const asked = fetch(gateway.url + CHAT, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: leaving.signal,
      }).catch(() => undefined);
      while (gateway.simulator.journal.entries.every(({ path }) => path !== CHAT)) await sleep(10);
      leaving.abort();
      await asked;
      expect(await used()).toBeGreaterThan(16_000);
      expect(await settledRows(gateway, user.id)).toMatchObject([{ source: 'estimated' }]);
    });

    it('waits for the first event of a chat that it shall truncate, as vLLM does not', async () => {
      const leaving = new AbortController();
      const asked = fetch(gateway.url + CHAT, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'served',
          stream: true,
          truncate_prompt_tokens: 1,
          messages: [said({ ttftMs: 1_500, tokens: 500, tbtMs: 20 }), system(LONG)],
        }),
        signal: leaving.signal,
      }).catch(() => undefined);
      while (gateway.simulator.journal.entries.every(({ path }) => path !== CHAT)) await sleep(10);
      leaving.abort();
      await asked;
      await untilNothingOpen(gateway);
      const [row] = await settledRows(gateway, user.id);
      expect(row).toMatchObject({ source: 'exact', outcome: 'client_closed' });
      expect(Number(row?.prompt_tokens)).toBeGreaterThan(16_000);
      expect(Number(row?.completion_tokens)).toBeLessThan(400);
    });

    it('asks again soon where vLLM could not say at first', async () => {
      await leave(4_000);
      const messages = [said({ tokens: 5 }), system(LONG)];
      gateway.simulator.settings.tokenize = 'missing';
      expect(await ask({ messages })).toBe(402);
      gateway.simulator.settings.tokenize = 'served';
      await sleep(1_100);
      expect(await ask({ messages })).toBe(402);
      expect(await used()).toBe(0);
    });

    it.each([undefined, 16_000])(
      'lowers max_tokens of %s to what the window leaves by such a count',
      async (max) => {
        // Before 0.32.
        gateway.simulator.settings.overflow = 'refuse';
        const messages = [system('one two three four '.repeat(5_000)), said({ tokens: 5 })];
        await leave(WINDOW - 1);
        expect(await ask({ messages, max_tokens: max })).toBe(402);
        await leave(WINDOW);
        expect(await ask({ messages, max_tokens: max })).toBe(200);
      },
    );

    it('has vLLM count for nobody who is refused all the time', async () => {
      const messages = [system('one two three four '.repeat(5_000)), said({ tokens: 5 })];
      await leave(0);
      expect(await ask({ messages })).toBe(402);
      for (let n = 1; n < MOST_A_MINUTE; n += 1) unbilled().add(user.id);
      const before = counts();
      expect(await ask({ messages })).toBe(402);
      expect(counts()).toBe(before);
    });

    it('believes the counts again once vLLM is one that renders what it counts', async () => {
      gateway.simulator.settings.gptOss = false;
      const messages = [said({ tokens: 5 }), system('one two three four '.repeat(300))];
      await leave(1_300);
      expect(await ask({ messages })).toBe(200);
    });
  });

  describe('by what answers show', () => {
    const thoughtful = (words: number) => {
      gateway.simulator.settings.reasoningEffortMap = { max: 'more '.repeat(words) };
      return { reasoning_effort: 'max', messages: [said({ tokens: 9_000 })], max_tokens: 6_600 };
    };

    it.each([
      ['a little: so much is added', EFFORT + 40, 200],
      ['far: the bound decides', EFFORT + 1_000, 402],
    ])('goes over it once, and not again, when they fall short %s', async (_, words, status) => {
      const body = thoughtful(words);
      await leave(700);
      expect(await ask(body)).toBe(200);
      expect(await used()).toBeGreaterThan(700);
      const before = await used();
      await leave(before + 700);
      expect(await ask(body)).toBe(status);
      expect(await used()).toBeLessThanOrEqual(before + 700);
    });
  });

  it('is not decided by the bound because the prompt of somebody who left had to be guessed', async () => {
    const messages = [system('one two three four '.repeat(100)), said({ ttftMs: 60_000 })];
    await leave(600);
    const leaving = new AbortController();
    const asked = fetch(gateway.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'served', max_tokens: 16, stream: true, messages }),
      signal: leaving.signal,
    }).catch(() => undefined);
    while (gateway.simulator.journal.entries.every(({ path }) => path !== CHAT)) await sleep(10);
    gateway.simulator.settings.tokenize = 'missing';
    leaving.abort();
    await asked;
    await untilNothingOpen(gateway);
    expect(await settledRows(gateway, user.id)).toMatchObject([{ source: 'estimated' }]);
    gateway.simulator.settings.tokenize = 'served';
    const other = await gateway.register();
    await leaveTokens(gateway, other.id, 1_100);
    expect(await ask({ messages: [messages[0], said({ tokens: 5 })] }, other)).toBe(200);
  });

  it('has vLLM count for nobody who is refused all the time, and for others as before', async () => {
    await leave(0);
    const messages = [system('one two three four '.repeat(2_000)), said({ tokens: 5 })];
    expect(await ask({ messages })).toBe(402);
    const once = counts();
    expect(await ask({ messages })).toBe(402);
    expect(counts()).toBe(once + 1);
    // As many more as a minute may have, at once: the counting itself would take longer than that on a slow machine.
    for (let n = 2; n < MOST_A_MINUTE; n += 1) unbilled().add(user.id);
    expect(await ask({ messages })).toBe(402);
    const before = counts();
    expect(await ask({ messages }, await gateway.register())).toBe(200);
    expect(counts()).toBe(before + 1);
  });

  it('has vLLM count for nobody who leaves all the time meanwhile', async () => {
    await leave(600);
    const api = onlyUpstream(gateway).vllm;
    const count = api.countTokens.bind(api);
    const leaving = new AbortController();
    jest.spyOn(api, 'countTokens').mockImplementation(async (body) => {
      leaving.abort();
      await sleep(100);
      return count(body);
    });
    const messages = [system('one two three four '.repeat(100)), said({ tokens: 5 })];
    await fetch(gateway.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'served', max_tokens: 16, messages }),
      signal: leaving.signal,
    }).catch(() => undefined);
    while ((await settledRows(gateway, user.id)).length === 0) await sleep(20);
    expect(await settledRows(gateway, user.id)).toMatchObject([{ status: 499, prompt_tokens: 0 }]);
    for (let n = 1; n < MOST_A_MINUTE; n += 1) unbilled().add(user.id);
    const before = counts();
    expect(await ask({ messages })).toBe(402);
    expect(counts()).toBe(before);
  });
});
