'use strict';
const { randomBytes } = require('node:crypto');

/** An administrator of a gateway over a database of the benchmark, who asks for pages. */
async function asker({ port, key }, db) {
  const url = `http://127.0.0.1:${port}`;
  const credentials = {
    username: `asker-${randomBytes(6).toString('hex')}`,
    password: randomBytes(18).toString('base64url'),
  };
  await post(`${url}/auth/register`, credentials);
  await db.query(`UPDATE users SET role = 'admin' WHERE username_key = $1`, [credentials.username]);
  let session = { token: '', until: 0 };

  /** Large databases take longer to be made ready than a token lives. */
  const signIn = async () => {
    if (performance.now() < session.until) return;
    const { access_token: token, expires_in: seconds } = await post(`${url}/auth/token`, credentials);
    session = { token, until: performance.now() + (seconds * 1_000) / 2 };
  };
  const ask = async (path) => {
    await signIn();
    const bearer = path.startsWith('/v1/') ? key : session.token;
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${bearer}` } });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer;
  };
  return {
    open: ask,
    get: async (path) => (await ask(path)).json(),
    /** Milliseconds until the whole answer is there. */
    time: async (path) => {
      await signIn();
      const startedAt = performance.now();
      await (await ask(path)).arrayBuffer();
      return performance.now() - startedAt;
    },
  };
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

module.exports = { asker };
