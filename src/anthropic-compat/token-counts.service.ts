import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { ApiException } from '../common/api.exception';
import type { Principal } from '../common/principal';
import { PromptCounter } from '../proxy/request/prompt-counter';
import { RequestIntake } from '../proxy/request/request-intake';
import { UnbilledCounts } from '../proxy/request/unbilled-counts';
import { upstreamFailed } from '../proxy/upstream/upstream.exceptions';
import { COUNTED_MESSAGES } from './messages-dialect';

/** How many tokens the prompt of a message has: vLLM counts, and nothing is generated or billed. */
@Injectable()
export class TokenCounts {
  private readonly made = new UnbilledCounts();

  constructor(
    private readonly intake: RequestIntake,
    private readonly prompts: PromptCounter,
  ) {}

  /** @throws ApiException as a message would be refused, or when the prompt cannot be counted */
  async count(request: IncomingMessage, principal: Principal): Promise<{ input_tokens: number }> {
    try {
      if (this.made.areTooMany(principal.userId)) throw tooManyCounts();
      this.made.add(principal.userId);
      const metered = { endpoint: 'chat_completions', dialect: COUNTED_MESSAGES } as const;
      const call = await this.intake.read(request, metered, principal);
      if (!call.promptBound.bounded) throw notCountable();
      const tokens = await this.prompts.tokensOf(call);
      if (tokens === null) throw upstreamFailed('a prompt was not counted');
      return { input_tokens: tokens };
    } finally {
      this.intake.release(request);
    }
  }
}

const tooManyCounts = (): ApiException =>
  new ApiException({
    status: 429,
    code: 'rate_limit_exceeded',
    message:
      'Your account has had more prompts counted this minute than there is room for. Retry in a minute.',
    headers: { 'retry-after': '60' },
  });

const notCountable = (): ApiException =>
  new ApiException({
    status: 422,
    code: 'tokens_not_counted',
    message: 'The tokens of images are not counted before a message is made.',
  });
