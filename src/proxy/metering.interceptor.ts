import { CallHandler, ExecutionContext, Injectable, NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { lastValueFrom, Observable, of } from 'rxjs';
import { FailureAnswers } from '../common/failure-answers';
import type { Principal } from '../common/principal';
import { requestContext } from '../common/request-context';
import { Metrics } from '../observability/metrics';
import { rateLimitHeaders } from '../usage/admission/rate-limit-headers';
import { SettlementService } from '../usage/admission/settlement.service';
import { CurrentRates, wantsRates } from '../usage/rates/current-rates.service';
import { NO_TOKENS, Settlement, TokenUsage } from '../usage/token-usage';
import { isPooled, Metered } from './endpoints';
import { LiveRequests } from './live-requests';
import type { Exchange, Receipt, Running } from './relay/exchange';
import { areDown } from './upstream/upstream-choice';
import { upstreamUnavailable } from './upstream/upstream.exceptions';
import type { Upstream } from './upstream/upstream';
import { Upstreams } from './upstream/upstreams.service';
import { ChatCounts } from './request/chat-counts';
import { idempotencyKey } from './request/idempotency-key';
import { PooledOverheads } from './request/pooled-overheads';
import { PromptCounter } from './request/prompt-counter';
import type { MeteredCall } from './request/metered-call';
import { RequestIntake } from './request/request-intake';
import { TemplateOverheads } from './request/template-overheads';
import { Reservation, ReservationService } from './reservation.service';

export const METERED_ENDPOINT = 'metered-endpoint';

/** What Nest takes for the handler's answer: one for all, since nothing is in it. */
const ANSWERED_LATER = of(undefined);

/** Admitted, and then something failed before vLLM was asked. */
const NEVER_SENT: Receipt = {
  outcome: 'rejected',
  source: 'exact',
  status: 500,
  usage: NO_TOKENS,
  promptKnown: true,
  timeToFirstTokenMs: null,
};

type MeteredRequest = IncomingMessage & { user: Principal };

/** On the request itself, for as long as the handler needs it. */
const EXCHANGE = Symbol('exchange');
type WithExchange = IncomingMessage & { [EXCHANGE]?: Exchange };

/**
 * The admitted exchange of a request, for the handler. No parameter decorator: Nest takes what one of ours gives through
 * its pipes, with a promise for each.
 */
export function exchangeOf(request: IncomingMessage): Exchange {
  const exchange = (request as WithExchange)[EXCHANGE];
  if (!exchange) throw new Error('this route lacks @MeteredEndpoint()');
  return exchange;
}

/**
 * Meters every answer of vLLM: reserves before the handler sends the request, settles when its answer has ended, in
 * whatever way. The answer's last bytes are delivered once the settlement cannot be lost any more.
 */
@Injectable()
export class MeteringInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly intake: RequestIntake,
    private readonly reservations: ReservationService,
    private readonly rates: CurrentRates,
    private readonly settlements: SettlementService,
    private readonly prompts: PromptCounter,
    private readonly templates: TemplateOverheads,
    private readonly pooled: PooledOverheads,
    private readonly chats: ChatCounts,
    private readonly live: LiveRequests,
    private readonly upstreams: Upstreams,
    private readonly metrics: Metrics,
    private readonly failures: FailureAnswers,
  ) {}

  /**
   * Nest's part ends as soon as the request is on its way to vLLM: what Nest and rxjs hold for a request in the making
   * is more than all the rest of a stream, which may run for an hour.
   */
  intercept(execution: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const metered = this.reflector.get<Metered>(METERED_ENDPOINT, execution.getHandler());
    const http = execution.switchToHttp();
    const request = http.getRequest<MeteredRequest>();
    const response = http.getResponse<ServerResponse>();
    const sent = this.send(request, response, metered, next);
    const settled = sent.then(({ call, running }) =>
      // Nest has gone by then: what fails here would be neither answered nor logged.
      this.finish(call, running, request, response).catch((error: unknown) =>
        this.failures.answer(error, request, response),
      ),
    );
    const context = requestContext(request);
    context.metered = this.live.track(context.requestId, settled);
    return sent.then(() => ANSWERED_LATER);
  }

  /** @throws ApiException when it is refused; nothing is held then */
  private async send(
    request: MeteredRequest,
    response: ServerResponse,
    metered: Metered,
    next: CallHandler,
  ): Promise<{ call: MeteredCall; running: Running }> {
    // Soon and cheaply, where the model need not be known.
    if (this.upstreams.areDown) throw upstreamUnavailable();
    const { requestId } = requestContext(request);
    let call: MeteredCall;
    let reservation: Reservation;
    try {
      call = await this.intake.read(request, metered, request.user);
      // Of several, those that answer may serve other models.
      if (areDown(call.model.servers)) throw upstreamUnavailable();
      const repeated = idempotencyKey(request);
      reservation = await this.reservations.reserve(call, requestId, request.user, repeated);
    } catch (refusal) {
      if (wantsRates(refusal)) await this.rates.tell(request.user, response);
      throw refusal;
    } finally {
      this.intake.release(request);
    }
    const waiting = request as WithExchange;
    try {
      const exchange = exchangeFor(call, reservation, request, response);
      waiting[EXCHANGE] = exchange;
      const running = await lastValueFrom<Running>(next.handle());
      waiting[EXCHANGE] = undefined;
      if (call.stream) this.metrics.streamStarted();
      call.keepOnly(exchange.body);
      return { call, running };
    } catch (error) {
      // Nobody else knows of the reservation yet.
      await this.settlements.settle(settlementOf(call, NEVER_SENT, NO_TOKENS, request));
      throw error;
    }
  }

  private async finish(
    call: MeteredCall,
    running: Running,
    request: MeteredRequest,
    response: ServerResponse,
  ): Promise<void> {
    const receipt = await running.receipt;
    if (call.stream) this.metrics.streamEnded();
    const usage = receipt.source === 'estimated' ? await this.estimated(call, receipt) : receipt.usage;
    const settlement = settlementOf(call, receipt, usage, request);
    // First of all: whatever fails beside it, nothing stays reserved. It never rejects.
    const settled = this.settlements.settle(settlement);
    const isOneOfSeveral = this.upstreams.all.length > 1;
    noteForLog(request, call, settlement, isOneOfSeveral ? running.upstream?.url : undefined);
    this.countForMetrics(call, settlement);
    // A guess teaches nothing: it may be several times what vLLM rendered.
    if (receipt.promptKnown) this.learnFrom(call, usage.prompt, running.upstream);
    if (receipt.outcome === 'client_closed' && usage.prompt === 0)
      this.reservations.cameToNothing(call, request.user);
    await settled;
    if (receipt.failure) this.failures.answer(receipt.failure, request, response);
    else receipt.deliver?.();
  }

  /** A prompt above its bound or count was more than what was reserved for it: the next one of this model shall not be. */
  private learnFrom(call: MeteredCall, promptTokens: number, upstream: Upstream | null): void {
    const { endpoint, model, hasTools, templateTokens, countedPrompt, countedBy } = call;
    if (endpoint === 'completions') return;
    // Another server may have another template: it tells nothing of how this one counts.
    if (
      endpoint === 'chat_completions' &&
      countedPrompt !== null &&
      countedBy !== null &&
      countedBy === upstream
    )
      this.chats.compare(countedBy, model.servedName, countedPrompt, promptTokens);
    const { tokens, bounded } = call.promptBound;
    const excess = promptTokens - tokens;
    if (excess <= 0 || !bounded) return;
    if (isPooled(endpoint)) {
      // All of it, its few words too: near a limit vLLM counts the words, and what stands around them must be right alone.
      const shown = Math.ceil(promptTokens / call.expected.prompts);
      return this.pooled.raise(endpoint, model.servedName, templateTokens, shown);
    }
    this.templates.raise(model.servedName, hasTools, templateTokens, templateTokens + excess);
  }

  private countForMetrics(call: MeteredCall, { outcome, usage, timeToFirstTokenMs }: Settlement): void {
    this.metrics.settled({
      outcome,
      timeToFirstTokenMs,
      model: call.model.id,
      promptTokens: usage.prompt,
      cachedTokens: usage.cached,
      completionTokens: usage.completion,
      reasoningTokens: usage.reasoning,
    });
  }

  /** vLLM did not say: it is counted now. */
  private async estimated(call: MeteredCall, receipt: Receipt): Promise<TokenUsage> {
    if (receipt.outcome === 'completed') this.metrics.usageMissing();
    const { usage, promptKnown, uncountedText } = receipt;
    // Of several prompts some may have been told.
    const prompt = promptKnown ? usage.prompt : Math.max(usage.prompt, await this.prompts.estimate(call));
    const completion = uncountedText ? await this.prompts.countText(call, uncountedText) : usage.completion;
    return { ...usage, prompt, completion };
  }
}

function exchangeFor(
  call: MeteredCall,
  { budget, clamped, rates }: Reservation,
  request: IncomingMessage,
  response: ServerResponse,
): Exchange {
  const headers = rateLimitHeaders(rates, new Date());
  for (const name in headers) response.setHeader(name, headers[name] as string);
  if (clamped) response.setHeader('x-llm-clamped-max-tokens', String(budget.maxTokens));
  const { requestId, arrivedAt } = requestContext(request);
  const { upstreamPath, stream, expected, hidesThinking, truncatesChat, promptPart, dialect } = call;
  const { servers } = call.model;
  const body = call.encode(budget);
  const told = {
    promptPart,
    stream,
    hidesThinking,
    truncatesChat,
    offersTools: call.hasTools,
    expected,
    dialect,
    servers,
    cacheSalt: call.cacheSalt,
  };
  return { requestId, arrivedAt, upstreamPath, body, ...told };
}

function settlementOf(
  call: MeteredCall,
  receipt: Receipt,
  usage: TokenUsage,
  request: MeteredRequest,
): Settlement {
  const { requestId, arrivedAt } = requestContext(request);
  return {
    requestId,
    userId: request.user.userId,
    apiKeyId: request.user.apiKeyId ?? null,
    endpoint: call.recordedAs,
    model: call.model.id,
    stream: call.stream,
    usage,
    outcome: receipt.outcome,
    source: receipt.source,
    status: receipt.status,
    timeToFirstTokenMs: receipt.timeToFirstTokenMs,
    durationMs: Math.round(performance.now() - arrivedAt),
  };
}

/** @param upstream which of several servers had it */
function noteForLog(
  request: IncomingMessage,
  call: MeteredCall,
  settlement: Settlement,
  upstream: string | undefined,
): void {
  requestContext(request).log = {
    model: call.model.id,
    outcome: settlement.outcome,
    prompt_tokens: settlement.usage.prompt,
    completion_tokens: settlement.usage.completion,
    time_to_first_token_ms: settlement.timeToFirstTokenMs ?? undefined,
    upstream,
  };
}
