import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, forgetJournal, journal, register, script, settledLedger, url } from '../support/gateway.js';
import { makeHome, opencode } from '../support/opencode.js';

describe('opencode auth login <url of the gateway>', () => {
  const home = makeHome();
  const logIn = (key) => opencode(['auth', 'login', url], { home, env: { LLM_API_KEY: key } });

  it('stores the key, and opencode then has the models, answers, and bills them to its owner', async () => {
    const user = await register();
    const login = await logIn(user.key);
    assert.equal(login.code, 0, login.stderr);
    assert.match(login.stdout + login.stderr, new RegExp(`Logged into ${url}`));

    const models = await opencode(['models', 'llm-user-managed'], { home });
    assert.deepEqual(models.stdout.trim().split('\n'), [
      'llm-user-managed/opencode-llm',
      'llm-user-managed/served-model',
    ]);

    await forgetJournal();
    const answer = await opencode(['run', script({ text: 'No-typing-at-all' })], { home });
    assert.equal(answer.code, 0, answer.stderr);
    assert.match(answer.stdout, /No-typing-at-all/);
    const entries = await journal();
    assert.equal((await settledLedger(user, entries.length)).length, entries.length);
  });

  it('says why it does not start with a revoked key, and a new login helps', async () => {
    const user = await register();
    assert.equal((await logIn(user.key)).code, 0);
    const [{ id }] = await ask('GET', `${url}/users/me/api-keys`, { token: user.token });
    await ask('DELETE', `${url}/users/me/api-keys/${id}`, { token: user.token });

    const refused = await opencode(['models'], { home });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /\/connect\/opencode\.json.*401/s);

    const successor = await register();
    assert.equal((await logIn(successor.key)).code, 0);
    assert.equal((await opencode(['models', 'llm-user-managed'], { home })).code, 0);
  });

  it('takes the base URL of all other clients, too, and starts with it', async () => {
    const another = makeHome();
    const user = await register();
    const env = { LLM_API_KEY: user.key };
    const login = await opencode(['auth', 'login', `${url}/v1`], { home: another, env });
    assert.equal(login.code, 0, login.stderr);
    const models = await opencode(['models', 'llm-user-managed'], { home: another });
    assert.deepEqual(models.stdout.trim().split('\n'), [
      'llm-user-managed/opencode-llm',
      'llm-user-managed/served-model',
    ]);
    assert.equal((await opencode(['auth', 'logout', `${url}/v1`], { home: another })).code, 0);
    const list = await opencode(['auth', 'list'], { home: another });
    assert.match(list.stdout + list.stderr, /0 credentials/);
  });

  it('stores nothing without a key', async () => {
    const empty = makeHome();
    const login = await opencode(['auth', 'login', url], { home: empty });
    assert.match(login.stdout + login.stderr, /Failed/);
    const list = await opencode(['auth', 'list'], { home: empty });
    assert.match(list.stdout + list.stderr, /0 credentials/);
  });
});
