import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import {
  admin,
  ask,
  differences,
  firstAdmin,
  forgetJournal,
  journal,
  MODEL,
  register,
  registerSpent,
  requestCount,
  script,
  settledLedger,
  until,
  url,
  WRONG_KEY,
} from '../support/gateway.js';
import { readmeConfig, runOpencode } from '../support/opencode.js';

const ROUTE = '/v1/chat/completions';
/** A session asks twice: for its answer and, without tools, for its title. */
const MAIN_AND_TITLE = 2;
/** What a first try and five retries take opencode beside the rest. */
const RETRIES_SECONDS = 75;

/** The main request of a session, not the one for its title. */
const withTools = (entry) => Array.isArray(entry.body.tools);
const isStreaming = async () =>
  (await journal()).some((entry) => withTools(entry) && entry.completionTokens > 5);
const isIdle = async () => (await journal()).every((entry) => entry.outcome !== 'running');
const interrupt = async (child) => {
  await until(isStreaming, 180_000, () => 'no stream began');
  child.kill('SIGINT');
};

describe('opencode', () => {
  /** What an answer took here, on a store that was there. */
  let usualSeconds = 0;

  beforeEach(forgetJournal);

  const isAtOnce = (seconds) =>
    assert.ok(
      seconds < 2 * usualSeconds + RETRIES_SECONDS / 2,
      `${seconds} s, where ${usualSeconds} are usual`,
    );

  it('answers a prompt with the opencode.json that the first start prints', async () => {
    const user = await admin();
    const rowsBefore = (await settledLedger(user, 0)).length;
    const { code, stdout, stderr } = await runOpencode({
      config: firstAdmin.opencode,
      prompt: script({ text: 'Grüezi-from-vLLM' }),
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Grüezi-from-vLLM/);
    const entries = await journal();
    const rows = await settledLedger(user, rowsBefore + entries.length);
    assert.deepEqual(differences(rows.slice(rowsBefore), entries), []);
  });

  it('calls a tool, sends its result back and answers, with the opencode.json of the README', async () => {
    const user = await register();
    const command = 'echo hi > made.txt';
    const tool = { name: 'bash', arguments: { command, description: 'Makes a file' } };
    const result = await runOpencode({
      config: readmeConfig(),
      auth: user.key,
      prompt: script({ tool, text: 'The-file-is-there' }),
    });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.read('made.txt'), 'hi\n');

    const entries = await journal();
    const [first, second, ...further] = entries.filter(withTools);
    assert.deepEqual(further, []);
    assert.ok(first.body.messages.every(({ role }) => role !== 'tool'));
    const [call, answer] = second.body.messages.slice(-2);
    assert.deepEqual(JSON.parse(call.tool_calls[0].function.arguments).command, command);
    assert.deepEqual([answer.role, answer.tool_call_id], ['tool', call.tool_calls[0].id]);

    const rows = await settledLedger(user, entries.length);
    assert.deepEqual(differences(rows, entries), []);
    assert.ok(
      rows.every(({ outcome, source, stream }) => outcome === 'completed' && source === 'exact' && stream),
    );
  });

  it('shows reasoning as thinking', async () => {
    const user = await register();
    const { code, stdout, stderr } = await runOpencode({
      config: readmeConfig(),
      auth: user.key,
      prompt: `--thinking ${script({ reasoning: 'hm-let-me-see', text: 'Seen' })}`,
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout + stderr, /hm-let-me-see/);
  });

  it('works with the answer of /connect/opencode.json, and the key in the environment', async () => {
    const user = await register();
    const config = await ask('GET', `${url}/connect/opencode.json`, { token: user.key });
    const { code, stdout, stderr, seconds } = await runOpencode({
      config,
      env: { LLM_API_KEY: user.key },
      prompt: script({ text: 'Key-found' }),
    });
    usualSeconds = seconds;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Key-found/);
    const main = (await journal()).find(withTools);
    assert.equal(main.body.max_tokens, config.provider['llm-user-managed'].models[MODEL].limit.output);
  });

  for (const [situation, auth, message] of [
    ['a wrong key', WRONG_KEY, /API key is not valid/],
    ['no key at all', undefined, /No API key was sent/],
  ]) {
    it(`says at once that ${situation} was used`, async () => {
      const before = await requestCount(ROUTE);
      const { code, stderr, seconds } = await runOpencode({ config: readmeConfig(), auth, prompt: 'hello' });
      const after = await requestCount(ROUTE);
      assert.notEqual(code, 0);
      assert.match(stderr, message);
      isAtOnce(seconds);
      assert.ok(after.total - before.total <= MAIN_AND_TITLE, `${after.total - before.total} requests`);
      assert.deepEqual(await journal(), []);
    });
  }

  it('says at once that the quota is spent', async () => {
    const user = await registerSpent();
    await forgetJournal();
    const before = await requestCount(ROUTE);
    const { code, stderr, seconds } = await runOpencode({
      config: readmeConfig(),
      auth: user.key,
      prompt: 'hello',
    });
    const after = await requestCount(ROUTE);
    assert.notEqual(code, 0);
    assert.match(stderr, /The token quota of your account is used up this month/);
    isAtOnce(seconds);
    const refused = (after.byStatus[402] ?? 0) - (before.byStatus[402] ?? 0);
    assert.equal(refused, after.total - before.total);
    assert.ok(refused >= 1 && refused <= MAIN_AND_TITLE, `${refused} requests`);
    assert.deepEqual(await journal(), []);
  });

  it('stops vLLM when it is interrupted, and what was generated until then is billed', async () => {
    const user = await register();
    await runOpencode({
      config: readmeConfig(),
      auth: user.key,
      prompt: script({ tokens: 2_000, tbtMs: 20 }),
      onStart: interrupt,
    });
    // What it takes itself to let go of the stream is not the gateway's.
    const endedAt = Date.now();
    await until(isIdle, 30_000, () => 'vLLM runs on');
    const entry = (await journal()).find(withTools);
    assert.equal(entry.outcome, 'cancelled');
    assert.ok(entry.cancelledAt - endedAt < 5_000, `${entry.cancelledAt - endedAt} ms after it had ended`);
    const rows = await settledLedger(user, (await journal()).length);
    const row = rows.find(({ request_id: id }) => id === entry.requestId);
    assert.equal(row.outcome, 'client_closed');
    assert.equal(row.prompt_tokens, entry.promptTokens);
    assert.ok(row.completion_tokens > 0 && row.completion_tokens <= entry.completionTokens);
  });
});
