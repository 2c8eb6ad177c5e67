import type { Upstream } from './upstream';

type Server = Pick<Upstream, 'url' | 'running' | 'isDown' | 'isAway'>;

/**
 * What one server may have above the least loaded and still keep its users. A prompt whose beginning is in a server's
 * cache is worth more than a few other requests beside it.
 */
const SLACK = 4;
const SLACK_SHARE = 1 / 4;

export const areDown = (servers: readonly Server[]): boolean => servers.every(isDown);

const isDown = (server: Server): boolean => server.isDown;

/**
 * The server for a request: of those that are there and answer, one with hardly more of this process' requests than any
 * other, and of these the same for the same user, whose prompts so find their beginnings in its prefix cache.
 * @param servers at least one; all that serve the model
 * @param user alike for all requests of a user; the servers that users are led to differ, and are the same in all replicas
 */
export function chosen<S extends Server>(servers: readonly S[], user: string): S {
  const first = servers[0] as S;
  if (servers.length === 1) return first;
  return bestOf(servers.filter(isWell), user) ?? bestOf(servers.filter(answers), user) ?? first;
}

/**
 * The next one for a request to which no connection was made; null: it has failed. One that there is no other for is tried
 * twice, as it may just be starting anew. One that hangs is none, and
 * of those that are away one is tried: each may take as long as a connection may.
 * @param tried in their order, at least one
 */
export function nextAfter<S extends Server>(
  tried: readonly S[],
  servers: readonly S[],
  user: string,
): S | null {
  const there = anotherThan(tried, servers, user);
  if (there !== null || tried.length > 1) return there;
  const others = servers.filter((server) => answers(server) && !tried.includes(server));
  return bestOf(others, user) ?? (tried[0] as S);
}

/** One that is there and answers, and was not tried. */
export function anotherThan<S extends Server>(
  tried: readonly S[],
  servers: readonly S[],
  user: string,
): S | null {
  return bestOf(
    servers.filter((server) => isWell(server) && !tried.includes(server)),
    user,
  );
}

const answers = (server: Server): boolean => !server.isDown;
const isWell = (server: Server): boolean => !server.isDown && !server.isAway;

function bestOf<S extends Server>(servers: readonly S[], user: string): S | null {
  const least = servers.reduce((fewest, { running }) => Math.min(fewest, running), Infinity);
  const most = least + SLACK + least * SLACK_SHARE;
  const seed = hashOf(user);
  let best: S | null = null;
  let highest = -1;
  for (const server of servers) {
    const score = mixed(seed ^ hashOf(server.url));
    if (server.running > most || score <= highest) continue;
    best = server;
    highest = score;
  }
  return best;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

/** The end of MurmurHash3: every bit depends on every other. */
function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
