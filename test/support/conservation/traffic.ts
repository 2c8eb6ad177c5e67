import { call, StreamedAnswer } from '../stream-client';
import type { Random } from './random';
import { Account, anything, Asked } from './requests';

/** What one client saw. */
export interface Seen {
  readonly requestId: string;
  readonly status: number;
  readonly stream: boolean;
  /** Tokens of answers that arrived, as far as they can be told from the bytes. */
  readonly delivered: number;
}

/** Sends one request after another until it is told to stop; 30 % of them it leaves. */
export async function client(
  random: Random,
  accounts: readonly Account[],
  urls: () => readonly string[],
  log: (seen: Seen) => void,
  goesOn: () => boolean,
): Promise<void> {
  while (goesOn()) {
    const asked = anything(random, random.of(accounts));
    const leaves = random.chance(0.3);
    const answer = await call({
      ...asked,
      url: random.of(urls()),
      ...(leaves && asked.stream ? { hangUpAfterBytes: random.between(0, 6_000) } : {}),
      ...(leaves && !asked.stream ? { hangUpAfterMs: random.between(1, 400) } : {}),
    });
    if (answer.requestId) log(seen(answer, asked));
    else await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function seen({ requestId, status, text }: StreamedAnswer, { path, stream }: Asked): Seen {
  // One token a chunk: the simulator's default.
  const token = path === '/v1/completions' ? /"text":"[^"]/g : /"delta":\{[^}]*"content":"[^"]/g;
  const delivered = stream
    ? (text.match(token)?.length ?? 0)
    : Number(/"completion_tokens":(\d+)/.exec(text)?.[1] ?? 0);
  return { requestId, status, stream, delivered: status === 200 ? delivered : 0 };
}
