import { call, StreamedAnswer } from '../stream-client';
import type { Random } from './random';

export interface Account {
  readonly id: string;
  readonly key: string;
}

/** What one client saw. */
export interface Seen {
  readonly requestId: string;
  readonly status: number;
  readonly stream: boolean;
  /** Tokens of answers that arrived, as far as they can be told from the bytes. */
  readonly delivered: number;
}

const PROBLEMS: readonly object[] = [
  { status: 500 },
  { status: 503, retryAfter: 1 },
  { status: 429, retryAfter: 1 },
  { status: 400 },
  { refuse: true },
  { tokens: 30, dieAfterChunks: 7 },
  { tokens: 30, endAfterChunks: 9 },
  { tokens: 30, stallAfterChunks: 5 },
  { tokens: 30, errorFrameAfterChunks: 6 },
  { errorFirst: 503 },
  { emptyStream: true },
  { tokens: 12, doneWithoutFinish: true },
  { tokens: 12, splitBytes: true },
  { tokens: 12, nonJson: true },
  { tokens: 12, truncatedJson: true },
];
const TOOLS = [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }];

/** Sends one request after another until it is told to stop: streams or not, n, tools, 30 % who leave, every fault. */
export async function client(
  random: Random,
  accounts: readonly Account[],
  urls: () => readonly string[],
  log: (seen: Seen) => void,
  goesOn: () => boolean,
): Promise<void> {
  while (goesOn()) {
    const stream = random.chance(0.6);
    const leaves = random.chance(0.3);
    const answer = await call({
      url: random.of(urls()),
      path: '/v1/chat/completions',
      credential: random.of(accounts).key,
      body: body(random, stream),
      ...(leaves && stream ? { hangUpAfterBytes: random.between(0, 6_000) } : {}),
      ...(leaves && !stream ? { hangUpAfterMs: random.between(1, 400) } : {}),
    });
    if (answer.requestId) log(seen(answer, stream));
    else await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function body(random: Random, stream: boolean): object {
  const steps = random.chance(0.2)
    ? random.of(PROBLEMS)
    : random.chance(0.1)
      ? { tool: { name: 'read', arguments: { path: 'a.txt' } } }
      : { tokens: random.between(1, 60), tbtMs: random.of([0, 1, 10, 60]), ttftMs: random.of([0, 20, 200]) };
  return {
    model: 'opencode-llm',
    messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
    ...(stream ? { stream } : {}),
    ...(stream && random.chance(0.3) ? { stream_options: { include_usage: true } } : {}),
    ...(random.chance(0.15) ? { n: 3 } : {}),
    ...('tool' in steps ? { tools: TOOLS } : {}),
    ...(random.chance(0.5) ? { max_tokens: random.between(1, 80) } : {}),
  };
}

function seen({ requestId, status, text }: StreamedAnswer, stream: boolean): Seen {
  const delivered = stream
    ? // One token a chunk: the simulator's default.
      (text.match(/"delta":\{[^}]*"content":"[^"]/g)?.length ?? 0)
    : Number(/"completion_tokens":(\d+)/.exec(text)?.[1] ?? 0);
  return { requestId, status, stream, delivered: status === 200 ? delivered : 0 };
}
