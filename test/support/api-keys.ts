import type { TestGateway, TestUser } from './gateway';
import { Answer, send, Sent } from './send';

export interface Key {
  readonly id: string;
  /** Only where it is shown: when it is made or rotated. */
  readonly key: string;
  readonly [field: string]: unknown;
}

/** Requests to /users/me/api-keys with the session of a user; `path` begins with a slash, or is empty. */
export function asOwner(gateway: TestGateway, user: TestUser) {
  return (path: string, sent: Sent = {}): Promise<Answer> =>
    send(`${gateway.url}/users/me/api-keys${path}`, { bearer: user.accessToken, ...sent });
}

export async function makeKey(gateway: TestGateway, user: TestUser, fields: object = {}): Promise<Key> {
  const answer = await asOwner(gateway, user)('', { json: { name: 'laptop', ...fields } });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body as Key;
}

/** What a key is answered on /v1 at this replica. */
export async function statusOf(gateway: TestGateway, key: string): Promise<number> {
  return (await send(`${gateway.url}/v1/models`, { bearer: key })).status;
}

/** Milliseconds until the last request of 6 seconds with which the key is taken at this replica, by when it is sent. */
export async function lastTakenAfter(gateway: TestGateway, key: string): Promise<number> {
  const start = performance.now();
  let lastTaken = 0;
  for (let sentAfter = 0; ; sentAfter = performance.now() - start) {
    if ((await statusOf(gateway, key)) === 401) return lastTaken;
    if (sentAfter > 6_000) return Infinity;
    lastTaken = sentAfter;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
