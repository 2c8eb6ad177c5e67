import { asAdmin, auditOf } from '../support/administration';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, settledRows, untilNothingOpen } from '../support/ledger';
import { Answer, send, Sent } from '../support/send';
import { call, StreamedAnswer } from '../support/stream-client';

interface Live {
  id: string;
  user_id: string;
  process_id: string;
  completion_tokens: number | null;
  ending: boolean;
}

const NOBODY = '0190a6f2-7c1e-7d55-9a3b-0c5f5d7e1a2b';
const LONG = { tokens: 4_000, tbtMs: 25 };
/** Looked every 2 s; the rest is for a busy machine. */
const SOON_MS = 15_000;

describe('running requests, over two replicas', () => {
  let here: TestGateway;
  let there: TestGateway;
  let admin: TestUser;
  let request: (path: string, sent?: Sent) => Promise<Answer>;

  const live = (answer: Answer) => answer.body.data as Live[];
  const start = (gateway: TestGateway, user: TestUser, { stream = true, steps = LONG as object } = {}) =>
    call({
      url: gateway.url,
      path: '/v1/chat/completions',
      credential: user.key,
      body: {
        model: 'opencode-llm',
        messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
        stream,
      },
    });
  const lowerCap = (user: TestUser, token_limit: number) =>
    fetch(`${here.url}/admin/users/${user.id}/token-limit`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${admin.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ token_limit }),
    });
  const running = async (user: TestUser, count = 1, withinMs = 30_000): Promise<Live[]> => {
    const deadline = Date.now() + withinMs;
    for (;;) {
      // Before the look: a machine that stood still since the last one is given another.
      const isLast = Date.now() > deadline;
      const found = live(await request(`/live-requests?user_id=${user.id}`));
      if (found.length === count) return found;
      if (isLast) throw new Error(`${found.length} and not ${count} are running`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const counted = async (user: TestUser): Promise<Live> => {
    for (;;) {
      const [one] = await running(user);
      if (one && (one.completion_tokens ?? 0) > 0) return one;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const within = async (answer: Promise<StreamedAnswer>, ms = SOON_MS): Promise<StreamedAnswer> => {
    const begun = performance.now();
    const ended = await answer;
    expect(performance.now() - begun).toBeLessThan(ms);
    return ended;
  };
  const endOf = ({ text }: StreamedAnswer) => {
    const events = text.trimEnd().split('\n\n');
    expect(events.at(-1)).toBe('data: [DONE]');
    return JSON.parse((events.at(-2) ?? '').slice('data: '.length)) as unknown;
  };
  const end = (id: string) => request(`/live-requests/${id}`, { method: 'DELETE' });

  beforeAll(async () => {
    here = await startGateway({ settings: { SHUTDOWN_GRACE_MS: '0' } });
    there = await startGateway({ replicaOf: here, settings: { SHUTDOWN_GRACE_MS: '0' } });
    admin = await here.registerAdmin();
    request = asAdmin(here, admin);
  });
  afterAll(async () => {
    await there.close();
    await here.close();
  });

  it('are shown with who, what, where and how far, wherever they run', async () => {
    const bob = await here.register();
    const [key] = await here.dataSource.query<{ id: string }[]>(
      'SELECT id FROM api_keys WHERE user_id = $1',
      [bob.id],
    );
    const answer = start(there, bob);
    const one = await counted(bob);
    expect(one).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user_id: bob.id,
      username: bob.username,
      key_id: key?.id,
      key_name: 'first key',
      model: 'opencode-llm',
      endpoint: 'chat_completions',
      stream: true,
      admitted_at: expect.stringMatching(/Z$/),
      reserved_tokens: expect.any(Number),
      prompt_tokens: expect.any(Number),
      completion_tokens: expect.any(Number),
      counted_at: expect.stringMatching(/Z$/),
      process_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      process_name: expect.stringMatching(/:\d+$/),
      ending: false,
    });
    await end(one.id);
    expect((await answer).requestId).toBe(one.id);
    await running(bob, 0);
  });

  it('a stream ends on the other replica: error event and [DONE], vLLM stopped, settled once, audited', async () => {
    const bob = await here.register();
    const answer = start(there, bob);
    const { id } = await counted(bob);
    const [before] = live(await request('/live-requests'));
    expect((await end(id)).status).toBe(204);
    const ended = await within(answer);
    expect([ended.status, ended.hungUp, ended.requestId]).toEqual([200, false, id]);
    expect(endOf(ended)).toEqual({
      error: {
        message: 'An administrator has ended this request. Ask an administrator before sending it again.',
        type: 'permission_error',
        param: null,
        code: 403,
      },
    });
    const rows = await settledRows(here, bob.id);
    expect(rows).toEqual([
      expect.objectContaining({ request_id: id, outcome: 'upstream_error', source: 'exact' }),
    ]);
    await here.simulator.journal.waitForIdle(30_000);
    const generated = here.simulator.journal.find(id);
    expect(generated?.outcome).toBe('cancelled');
    const delivered = ended.text.split('"content":"').length - 1;
    expect(rows[0]?.prompt_tokens).toBe(generated?.promptTokens);
    expect(rows[0]?.completion_tokens).toBeGreaterThanOrEqual(before?.completion_tokens ?? Infinity);
    expect(rows[0]?.completion_tokens).toBeGreaterThanOrEqual(delivered - 1);
    expect(rows[0]?.completion_tokens).toBeLessThanOrEqual(generated?.completionTokens ?? 0);
    expect(await counterDifferences(here)).toEqual([]);
    const what = {
      user_id: bob.id,
      key_id: expect.any(String),
      model: 'opencode-llm',
      endpoint: 'chat_completions',
    };
    expect(await auditOf(here, id)).toEqual([
      expect.objectContaining({
        action: 'request.ended',
        actor_id: admin.id,
        before: { ...what, ending: false },
        after: { ...what, ending: true },
      }),
    ]);
  });

  it('a whole answer that is awaited becomes a refusal that no client repeats, and the prompt is billed', async () => {
    const bob = await here.register();
    const answer = start(there, bob, { stream: false, steps: { neverAnswer: true } });
    const [{ id }] = (await running(bob)) as [Live];
    await end(id);
    const ended = await within(answer);
    expect(ended.status).toBe(403);
    expect(JSON.parse(ended.text)).toEqual({
      error: {
        message: expect.stringContaining('administrator'),
        type: 'permission_error',
        param: null,
        code: 'request_ended',
      },
    });
    const [row, ...more] = await settledRows(here, bob.id);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ outcome: 'upstream_error', source: 'estimated', status: 403 });
    expect([row?.prompt_tokens, row?.completion_tokens]).toEqual([expect.any(Number), 0]);
    expect(row?.prompt_tokens).toBeGreaterThan(0);
    expect(await counterDifferences(here)).toEqual([]);
  });

  it('asked to end twice, it is ended once; what has ended is not found', async () => {
    const bob = await here.register();
    const answer = start(there, bob);
    const { id } = await counted(bob);
    const asked = await Promise.all([end(id), end(id), end(id)]);
    expect(asked.map(({ status }) => status)).toEqual([204, 204, 204]);
    await answer;
    expect(await auditOf(here, id)).toHaveLength(1);
    await running(bob, 0);
    const again = await end(id);
    expect([again.status, again.body.code]).toEqual([404, 'not_found']);
    expect(await auditOf(here, id)).toHaveLength(1);
  });

  it.each([
    ['disabled', { method: 'PATCH', json: { status: 'disabled' } }],
    ['deleted', { method: 'DELETE' }],
  ])("a %s user's streams end on every replica, and nobody else's", async (_, change) => {
    const [bob, ada] = [await here.register(), await here.register()];
    const bobs = [start(here, bob), start(there, bob)];
    const adas = start(there, ada);
    await running(bob, 2);
    await running(ada);
    expect((await request(`/users/${bob.id}`, change)).status).toBeLessThan(300);
    for (const answer of bobs) {
      expect(endOf(await within(answer))).toEqual({
        error: {
          message: 'This account is not active. Ask an administrator.',
          type: 'authentication_error',
          param: null,
          code: 401,
        },
      });
    }
    const [still] = await running(ada);
    expect(still?.ending).toBe(false);
    await end(still?.id ?? '');
    await adas;
    expect(await settledRows(here, bob.id)).toHaveLength(2);
    expect(await counterDifferences(here)).toEqual([]);
  });

  it('a revoked key and a lowered cap let running requests finish, and all of it is billed', async () => {
    const bob = await here.register();
    const answer = start(there, bob, { steps: { tokens: 60, tbtMs: 50 } });
    await running(bob);
    await request(`/users/${bob.id}/api-keys`, { method: 'DELETE' });
    expect((await lowerCap(bob, 1)).status).toBe(200);
    const { text } = await answer;
    expect(text).toContain('"finish_reason":"stop"');
    expect(await settledRows(here, bob.id)).toMatchObject([
      { outcome: 'completed', source: 'exact', completion_tokens: 60, key_id: expect.any(String) },
    ]);
    expect(await counterDifferences(here)).toEqual([]);
  });

  it('are filtered, and walked page by page, newest first', async () => {
    const [bob, ada] = [await here.register(), await here.register()];
    const answers: Promise<StreamedAnswer>[] = [];
    for (const [gateway, user] of [
      [here, bob],
      [there, bob],
      [there, ada],
    ] as const) {
      answers.push(start(gateway, user));
      await running(user, user === bob ? answers.length : 1);
    }
    const all = live(await request('/live-requests')).map(({ id }) => id);
    expect(all).toEqual([...all].toSorted().toReversed());
    const first = await request('/live-requests?limit=2');
    const second = await request(`/live-requests?limit=2&cursor=${first.body.next_cursor}`);
    expect([...live(first), ...live(second)].map(({ id }) => id)).toEqual(all);
    expect([all.length, second.body.next_cursor]).toEqual([3, null]);
    const bobs = live(await request(`/live-requests?user_id=${bob.id}&model=opencode-llm`));
    expect(bobs).toHaveLength(2);
    expect(new Set(bobs.map(({ process_id }) => process_id)).size).toBe(2);
    for (const none of ['model=opencode%25', 'model=_', `user_id=${NOBODY}`, `key_id=${NOBODY}`])
      expect(live(await request(`/live-requests?${none}`))).toEqual([]);
    await Promise.all(all.map(end));
    await Promise.all(answers);
    await untilNothingOpen(here);
  });

  it.each([
    'limit=0',
    'limit=101',
    'cursor=junk',
    'user_id=bob',
    'key_id=1',
    'model=',
    'model=%00',
    'offset=1',
  ])('refuses ?%s with 400, naming the field', async (query) => {
    const answer = await request(`/live-requests?${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.body.param).toBe(query.split('=')[0]);
  });

  it('are for administrators alone', async () => {
    const bob = await here.register();
    for (const [bearer, code] of [
      [bob.accessToken, 'forbidden'],
      [bob.key, 'session_required'],
      [admin.key, 'session_required'],
    ] as const) {
      for (const sent of [{}, { method: 'DELETE' }]) {
        const path = `/admin/live-requests${sent.method ? `/${NOBODY}` : ''}`;
        const answer = await send(here.url + path, { ...sent, bearer });
        expect([answer.status, answer.body.code]).toEqual([403, code]);
      }
    }
    expect((await end('1')).status).toBe(400);
    expect((await end(NOBODY)).status).toBe(404);
  });
});
