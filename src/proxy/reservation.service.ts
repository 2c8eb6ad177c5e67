import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal';
import { Env } from '../config/env';
import { AdmissionService } from '../usage/admission/admission.service';
import { isShort } from '../usage/admission/admission.exceptions';
import { refusalOf } from '../usage/admission/refusal';
import type { RateStates } from '../usage/admission/rate-limit-headers';
import type { Verdict } from '../usage/admission/verdict';
import { isPooled } from './endpoints';
import {
  clampedTo,
  leastOutput,
  minimumFor,
  outputBudget,
  OutputBudget,
  OutputQuestion,
  PromptSize,
} from './request/output-budget';
import { PromptCounter } from './request/prompt-counter';
import type { MeteredCall } from './request/metered-call';
import { UnbilledCounts } from './request/unbilled-counts';

export interface Reservation {
  readonly budget: OutputBudget;
  /** True when the limit, not the client or the window, decided over max_tokens. */
  readonly clamped: boolean;
  readonly rates: RateStates;
}

/**
 * How long a request waits for tokens or a place that other requests hold, itself holding neither, and when it looks again:
 * soon at first, then ever less often, so that many who wait do not keep the counter they wait for from being settled.
 * Milliseconds.
 */
const PATIENCE_MS = 2_000;
const FIRST_LOOK_MS = 60;

/**
 * Turns a call into a reservation. Far from every limit a cheap upper bound of the prompt will do; near one, and
 * near the end of the context window, vLLM's exact count decides, and max_tokens is lowered to what is left.
 */
@Injectable()
export class ReservationService {
  private readonly unbilled = new UnbilledCounts();

  constructor(
    private readonly admission: AdmissionService,
    private readonly prompts: PromptCounter,
    private readonly env: Env,
  ) {}

  /** @throws ApiException 401, 402, 404, 409, 429 or 503; nothing is held then */
  async reserve(
    call: MeteredCall,
    requestId: string,
    principal: Principal,
    idempotencyKey: string | null,
  ): Promise<Reservation> {
    const decide = (question: OutputQuestion, budget: OutputBudget, minimum: number): Promise<Verdict> =>
      this.admission.decide({
        requestId,
        principal,
        endpoint: call.recordedAs,
        model: call.model.id,
        stream: call.stream,
        generates: !isPooled(call.endpoint),
        promptBound: question.prompt.tokens,
        want: budget.total,
        minimum,
        idempotencyKey,
      });

    let question = call.outputQuestion(call.promptBound);
    let budget = outputBudget(question);
    const count = async (): Promise<void> => {
      question = call.outputQuestion(await this.sizeOf(call, principal));
      budget = outputBudget(question);
    };
    const least = (): number => (question.prompt.exact ? minimumFor(budget, question) : budget.total);
    const look = async (): Promise<Verdict> => {
      const verdict = await decide(question, budget, least());
      const { exact, bounded } = question.prompt;
      if (exact || !bounded || !mayFit(verdict, budget, question)) return verdict;
      await count();
      return decide(question, budget, least());
    };
    if (budget.needsExactPrompt) await count();
    let verdict = await look();
    const deadline = performance.now() + PATIENCE_MS;
    for (let pause = FIRST_LOOK_MS; verdict.kind === 'busy' && performance.now() < deadline; pause *= 2) {
      // Spread out, or those who were refused together come back together.
      const spread = pause * (0.75 + Math.random() / 2);
      await sleep(Math.min(spread, Math.max(1, deadline - performance.now())));
      // What stood in the way has changed, perhaps to tokens, of which the bound alone says too little.
      verdict = await look();
    }
    if (verdict.kind !== 'admitted') {
      this.cameToNothing(call, principal);
      throw refusalOf(verdict, call.model.id, this.env.QUOTA_EXCEEDED_STATUS);
    }
    const { granted, rates } = verdict;
    if (granted >= budget.total) return { budget, clamped: false, rates };
    const clamped = clampedTo(budget, granted, question);
    return { budget: clamped ?? budget, clamped: clamped !== null, rates };
  }

  /** It was refused, or its client left before vLLM got it: nothing is billed that would end what vLLM counts for it. */
  cameToNothing(call: MeteredCall, { userId }: Principal): void {
    if (call.isCounted) this.unbilled.add(userId);
  }

  /** By vLLM's count; of accounts for which it counted too often for nothing that was billed, by the bound. */
  private sizeOf(call: MeteredCall, { userId }: Principal): Promise<PromptSize> | PromptSize {
    return this.unbilled.areTooMany(userId) ? this.prompts.uncountable(call) : this.prompts.exact(call);
  }
}

/**
 * A refusal by the cheap bound is worth an exact count only when a short answer could still fit, or when it was too
 * large for a whole short window by that bound: exactly counted it may only have to wait.
 */
function mayFit(verdict: Verdict, budget: OutputBudget, question: OutputQuestion): boolean {
  if (!('limit' in verdict) || verdict.limit.metric !== 'tokens') return false;
  if (verdict.kind === 'exhausted' && isShort(verdict.limit)) return true;
  const output = question.choices * question.prompts * leastOutput(budget, question);
  return verdict.limit.amount - verdict.limit.used > output;
}
