import type { Random } from './random';

export interface Account {
  readonly id: string;
  readonly key: string;
  /** An access token, of those that also chat with a session. */
  readonly session?: string;
}

/** One request of a client. */
export interface Asked {
  readonly path: '/v1/chat/completions' | '/v1/completions' | '/chat/completions';
  readonly credential: string;
  readonly stream: boolean;
  readonly body: object;
}

const PROBLEMS: readonly object[] = [
  { status: 500 },
  { status: 503, retryAfter: 1 },
  { status: 429, retryAfter: 1 },
  { status: 400 },
  { refuse: true },
  { neverAnswer: true },
  { redirectTo: 'http://127.0.0.1:1/' },
  { tokens: 30, dieAfterChunks: 7 },
  { tokens: 30, endAfterChunks: 9 },
  { tokens: 30, stallAfterChunks: 5 },
  { tokens: 30, stallAfterChunks: 5, commentEveryMs: 100 },
  { tokens: 30, errorFrameAfterChunks: 6 },
  { tokens: 20, tbtMs: 60, commentEveryMs: 20 },
  { errorFirst: 503 },
  { emptyStream: true },
  { tokens: 12, doneWithoutFinish: true },
  { tokens: 12, splitBytes: true },
  { tokens: 12, nonJson: true },
  { tokens: 12, truncatedJson: true },
  { tokens: 12, tbtMs: 10, hugeChunkBytes: 300_000 },
  { tokens: 40, tbtMs: 20, usage: 'omit' },
  { tokens: 40, tbtMs: 20, usage: 'bad' },
  { tokens: 12, usage: 'zero' },
];
const TOOLS = [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }];

/** Anything a client may ask: chat or completions, with a key or a session, streams or not, n, tools, every fault. */
export function anything(random: Random, account: Account): Asked {
  const stream = random.chance(0.6);
  const path = account.session && random.chance(0.5) ? '/chat/completions' : v1Path(random);
  const chat = path !== '/v1/completions';
  const steps = random.chance(0.25)
    ? random.of(PROBLEMS)
    : chat && random.chance(0.1)
      ? { tool: { name: 'read', arguments: { path: 'a.txt' } } }
      : { tokens: random.between(1, 60), tbtMs: random.of([0, 1, 10, 60]), ttftMs: random.of([0, 20, 200]) };
  const text = `SIM:${JSON.stringify(steps)}`;
  const body = {
    model: 'opencode-llm',
    ...(chat
      ? { messages: [{ role: 'user', content: text }] }
      : { prompt: random.chance(0.3) ? [text, `Once more: ${text}`] : text }),
    ...(stream ? { stream } : {}),
    ...(stream && random.chance(0.3) ? { stream_options: { include_usage: true } } : {}),
    ...(random.chance(0.15) ? { n: 3 } : {}),
    ...('tool' in steps ? { tools: TOOLS } : {}),
    ...(random.chance(0.5) ? { max_tokens: random.between(1, 80) } : {}),
  };
  return {
    path,
    credential: path === '/chat/completions' ? (account.session as string) : account.key,
    stream,
    body,
  };
}

const v1Path = (random: Random) => (random.chance(0.3) ? '/v1/completions' : '/v1/chat/completions');
