// The gateway and the simulator of run.js, as the tests see them.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export const { GATEWAY_URL: url, SIMULATOR_URL: simulatorUrl, METRICS_URL: metricsUrl } = process.env;
if (!url) throw new Error('Run the tests with `npm test`: run.js starts the gateway they need.');
export const firstAdmin = JSON.parse(process.env.FIRST_ADMIN);
export const baseURL = `${url}/v1`;
export const MODEL = 'opencode-llm';
/** Looks like a key, and is nobody's. */
export const WRONG_KEY = `llmk_${'A'.repeat(49)}`;

export async function ask(method, target, { token, body } = {}) {
  const headers = new Headers();
  if (token) headers.set('authorization', `Bearer ${token}`);
  if (body) headers.set('content-type', 'application/json');
  const init = { method, headers };
  if (body) init.body = JSON.stringify(body);
  const answer = await fetch(target, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

async function logIn(username, password) {
  const { access_token: token } = await ask('POST', `${url}/auth/token`, { body: { username, password } });
  return token;
}

/** A new account, made over HTTP like any other. */
export async function register() {
  const username = `user-${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  const user = await ask('POST', `${url}/auth/register`, { body: { username, password } });
  return { id: user.id, username, key: user.api_key, token: await logIn(username, password) };
}

/** The first admin, with the key that the first start printed. */
export async function admin() {
  const { username, password, opencode } = firstAdmin;
  const key = opencode.provider['llm-user-managed'].options.apiKey;
  return { username, key, token: await logIn(username, password) };
}

/** An account that has spent its whole quota: one answer, then a limit of exactly what that cost. */
export async function registerSpent() {
  const user = await register();
  await ask('POST', `${url}/v1/chat/completions`, {
    token: user.key,
    body: { model: MODEL, messages: [{ role: 'user', content: 'spend a little' }], max_tokens: 20 },
  });
  const { tokens_used: used } = await usage(user);
  await ask('PUT', `${url}/users/me/token-limit`, { token: user.token, body: { token_limit: used } });
  return user;
}

export const usage = (user) => ask('GET', `${url}/users/usage`, { token: user.token });

/** The ledger rows of a user, oldest first. */
export async function ledger(user) {
  const page = await ask('GET', `${url}/users/usage/records?limit=100`, { token: user.token });
  return page.data.toReversed();
}

/** Waits for that many ledger rows: a row is written when its answer has ended. */
export async function settledLedger(user, count, withinMs = 30_000) {
  let rows = [];
  await until(
    async () => (rows = await ledger(user)).length >= count,
    withinMs,
    () => {
      return `${count} ledger rows were awaited, ${rows.length} came`;
    },
  );
  return rows;
}

const METERED = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/rerank', '/v1/score'];

/** What the simulator was asked that is metered since the last `forgetJournal`, oldest first. */
export async function journal() {
  const { entries } = await ask('GET', `${simulatorUrl}/simulator/journal`);
  return entries.filter(({ path }) => METERED.includes(path));
}

export const forgetJournal = () => ask('DELETE', `${simulatorUrl}/simulator/journal`);

/** How many requests the gateway has answered so far: `{total, byStatus}` for one route. */
export async function requestCount(route) {
  const text = await (await fetch(metricsUrl)).text();
  const byStatus = {};
  for (const line of text.split('\n')) {
    const [, labels, value] = /^llm_gateway_requests_total\{(.*)\} (\d+)$/.exec(line) ?? [];
    if (!labels?.includes(`route="${route}"`)) continue;
    const status = /status="(\d+)"/.exec(labels)[1];
    byStatus[status] = (byStatus[status] ?? 0) + Number(value);
  }
  return { byStatus, total: Object.values(byStatus).reduce((sum, count) => sum + count, 0) };
}

/** @param what says what did not happen, when it did not */
export async function until(condition, withinMs, what) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    // Before the look: a machine that stood still since the last one is given another.
    const isLast = Date.now() > deadline;
    if (await condition()) return;
    if (isLast) throw new Error(`within ${withinMs} ms: ${what()}`);
    await sleep(20);
  }
}

/** A message that tells the simulator what to answer. No spaces outside of texts, so that a shell keeps it whole. */
export const script = (steps) => `SIM:${JSON.stringify(steps)}`;

/** Ledger and journal agree, request by request and to the token. */
export function differences(rows, entries) {
  const byId = new Map(entries.map((entry) => [entry.requestId, entry]));
  const problems =
    rows.length === entries.length ? [] : [`${rows.length} rows, ${entries.length} generations`];
  for (const row of rows) {
    const entry = byId.get(row.request_id);
    if (!entry) problems.push(`${row.request_id} was never generated`);
    else if (row.prompt_tokens !== entry.promptTokens || row.completion_tokens !== entry.completionTokens) {
      const billed = `${row.prompt_tokens}+${row.completion_tokens}`;
      problems.push(
        `${row.request_id}: billed ${billed}, generated ${entry.promptTokens}+${entry.completionTokens}`,
      );
    }
  }
  return problems;
}
