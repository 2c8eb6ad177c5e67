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

/** Milliseconds until the key is refused at this replica; it is asked for 6 seconds. */
export async function refusedAfter(gateway: TestGateway, key: string): Promise<number> {
  const start = performance.now();
  while (performance.now() - start < 6_000) {
    if ((await statusOf(gateway, key)) === 401) return performance.now() - start;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Infinity;
}
