import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  admin,
  ask,
  forgetJournal,
  journal,
  MODEL,
  register,
  requestCount,
  script,
  settledLedger,
  simulatorUrl,
  until,
  url,
} from '../support/gateway.js';
import { readmeConfig, runOpencode } from '../support/opencode.js';

const ROUTE = '/v1/chat/completions';
const PATIENCE_MS = 180_000;
const OVERFLOW = "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens.";

/** The main requests of a session, not the one for its title. */
const mains = async () => (await journal()).filter(({ body }) => Array.isArray(body.tools));
const twice = async () => (await mains()).length >= 2;
const settings = (changes) => ask('PUT', `${simulatorUrl}/simulator/settings`, { body: changes });
const run = (user, steps, onStart) =>
  runOpencode({ config: readmeConfig(), auth: user.key, prompt: script(steps), onStart });
const refused = async (status) => (await requestCount(ROUTE)).byStatus[status] ?? 0;
/** Waits for something, then ends opencode as Ctrl-C does: left alone it would go on for more than a minute. */
const thenInterrupt = (happened, what) => async (child) => {
  await until(happened, PATIENCE_MS, () => what);
  child.kill('SIGINT');
};

/** A stream of the user's own that goes on until it is aborted. */
async function hold({ key }) {
  const held = new AbortController();
  const content = script({ tokens: 30, tbtMs: 60_000 });
  const answer = await fetch(`${url}${ROUTE}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content }] }),
    signal: held.signal,
  });
  assert.equal(answer.status, 200);
  // Read, for fetch ends an answer that nobody holds any longer.
  answer.text().catch(() => undefined);
  return held;
}

describe('opencode, when something is in the way', () => {
  beforeEach(forgetJournal);
  afterEach(() => settings({ maxUnfinished: null }));

  it('waits as long as Retry-After says when the account may have one request at a time, and gets its answer', async () => {
    const user = await register();
    const limit = {
      subject: 'user',
      subject_id: user.id,
      metric: 'concurrent_requests',
      amount: 1,
    };
    await ask('PUT', `${url}/admin/limits`, { token: (await admin()).token, body: limit });
    const before = await refused(429);
    // The one it may have is in use until one of opencode's has been refused.
    const held = await hold(user);
    const { code, stdout, stderr } = await run(user, { text: 'One-at-a-time' }, async () => {
      await until(
        async () => (await refused(429)) > before,
        PATIENCE_MS,
        () => 'nothing was refused',
      );
      held.abort();
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /One-at-a-time/);
  });

  it('goes on by itself once vLLM, whose queue was full, has room again', async () => {
    const user = await register();
    const before = await refused(503);
    await settings({ maxUnfinished: 0 });
    const { code, stdout, stderr } = await run(user, { text: 'There-is-room' }, async () => {
      await until(
        async () => (await refused(503)) > before,
        PATIENCE_MS,
        () => 'nothing was refused',
      );
      await settings({ maxUnfinished: null });
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /There-is-room/);
  });

  it('takes a prompt beyond the window for one: it asks for a summary, and says what is wrong', async () => {
    const user = await register();
    const body = JSON.stringify({
      error: { message: OVERFLOW, type: 'BadRequestError', param: null, code: 400 },
    });
    const { code, stderr } = await run(user, { status: 400, body: body.replaceAll(' ', '\\u0020') });
    assert.notEqual(code, 0);
    assert.match(stderr, /maximum context length is 32768 tokens/);
    const summaries = (await journal()).filter(({ body: asked }) =>
      JSON.stringify(asked.messages.at(-1)).includes('conversation so far'),
    );
    assert.equal(summaries.length, 1);
    const rows = await settledLedger(user, 0);
    assert.ok(rows.every((row) => row.outcome === 'rejected' && row.total_tokens === 0));
  });

  it('repeats a request whose stream broke off, and each try is billed as far as it came', async () => {
    const user = await register();
    await run(user, { tokens: 30, dieAfterChunks: 7 }, thenInterrupt(twice, 'it was not repeated'));
    const tries = await mains();
    const rows = await settledLedger(user, (await journal()).length);
    for (const { requestId, promptTokens } of tries) {
      const row = rows.find(({ request_id: id }) => id === requestId);
      assert.deepEqual([row.outcome, row.prompt_tokens], ['upstream_error', promptTokens]);
      assert.ok(row.completion_tokens > 0);
    }
  });

  it('repeats a request while vLLM answers nothing, and nothing is billed', async () => {
    const user = await register();
    const before = await refused(502);
    await run(user, { refuse: true }, thenInterrupt(twice, 'it was not repeated'));
    assert.ok((await refused(502)) >= before + 2);
    const rows = await settledLedger(user, 0);
    assert.ok(rows.every((row) => row.total_tokens === 0));
  });
});
