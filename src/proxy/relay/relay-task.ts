import type { ServerResponse } from 'node:http';
import type { ApiException } from '../../common/api.exception';
import type { Progress, UnderWay } from '../../usage/leases/open-requests';
import { NO_TOKENS } from '../../usage/token-usage';
import { notConnected } from '../upstream/never-connected';
import type { Upstream } from '../upstream/upstream';
import type { UpstreamHeaders, UpstreamReceiver } from '../upstream/upstream.client';
import {
  answerTooLarge,
  upstreamFailed,
  upstreamTimedOut,
  upstreamUnreachable,
} from '../upstream/upstream.exceptions';
import { leastPromptTokens } from '../request/prompt-guess';
import type { Question } from '../upstream/vllm-api.service';
import type { Exchange, Receipt, Running } from './exchange';
import { HeldReply } from './held-reply';
import { readJsonReply } from './json-reply';
import { failed } from './refusal';
import type { ReplyMemory } from './reply-memory';
import type { StallWatch, Watched } from './stall-watch';
import { StreamRelay } from './stream-relay';
import { isUncounted, KnownAtLeaving } from './uncounted';

export interface RelayLimits {
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly clientStallMs: number;
  readonly mayDrain: () => boolean;
  readonly drainStarted: () => void;
  readonly drainEnded: () => void;
  readonly memory: ReplyMemory;
}

/** Prompts of which vLLM has not told by then are estimated, in milliseconds after a request's arrival. */
const LOOKED_AT_AFTER_MS = 1_000;
/** How long a stream that has said [DONE] may take to end, in milliseconds. */
const AFTER_DONE_MS = 1_000;
/** A stream that was silent for so long may have been held back, in milliseconds. */
const HELD_BACK_AFTER_MS = 2_000;
const UNTOLD = { prompt: 0, completion: 0, promptKnown: false };

/** Nobody is there to read a failure, and none has happened. */
const CLIENT_LEFT: Receipt = {
  outcome: 'client_closed',
  source: 'exact',
  status: 499,
  usage: NO_TOKENS,
  promptKnown: true,
  timeToFirstTokenMs: null,
};

/** One exchange under way: vLLM's answer on one side, the client on the other, and both can die. */
export class RelayTask implements Running, UpstreamReceiver, Watched, UnderWay {
  readonly receipt: Promise<Receipt>;
  deadline: number;
  private finish!: (receipt: Receipt) => void;
  private settled = false;
  private abort: ((reason: Error) => void) | null = null;
  upstream: Upstream | null = null;
  private resume: (() => void) | null = null;
  private stream: StreamRelay | null = null;
  private reply: HeldReply | null = null;
  /** Its client has left, and it goes on to be counted. */
  private left: KnownAtLeaving | null = null;
  private leastPrompt: number | null = null;
  private clientIsSlow = false;

  constructor(
    private readonly exchange: Exchange,
    private readonly response: ServerResponse,
    private readonly watch: StallWatch,
    private readonly limits: RelayLimits,
  ) {
    this.receipt = new Promise((resolve) => (this.finish = resolve));
    watch.add(this);
    this.deadline = watch.after(limits.firstByteMs);
    response.on('close', this.onClientClose);
    // A client may have left while its request waited for admission.
    if (response.destroyed) this.onClientClose();
  }

  /**
   * What vLLM has told so far. Of a prompt that it says nothing of, as before the first event and with a whole answer, what
   * it has at least: a prefill is not free because this process died.
   */
  progress(): Progress | null {
    const { prompt, completion, promptKnown } = this.stream?.progress() ?? UNTOLD;
    if (promptKnown) return { prompt, completion };
    const least = this.hasWaited ? (this.leastPrompt ??= this.countLeastPrompt()) : 0;
    return completion + least > 0 ? { prompt: Math.max(prompt, least), completion } : null;
  }

  /** It is at vLLM, and not only for a moment: most prompts are told by then. */
  private get hasWaited(): boolean {
    if (this.abort === null || this.settled) return false;
    return performance.now() - this.exchange.arrivedAt >= LOOKED_AT_AFTER_MS;
  }

  private countLeastPrompt(): number {
    return leastPromptTokens(this.exchange.body, this.exchange.promptPart);
  }

  get isOver(): boolean {
    return this.settled;
  }

  /** Not while its client does not read, nor for a connection. */
  isWaitingFor(upstream: Upstream): boolean {
    return this.upstream === upstream && !this.clientIsSlow;
  }

  get question(): Question {
    const { upstreamPath, expected } = this.exchange;
    return { path: upstreamPath, model: expected.servedModel };
  }

  onDispatched(abort: (reason: Error) => void, upstream: Upstream): void {
    this.abort = abort;
    this.upstream = upstream;
    if (this.settled) abort(new Error('client left'));
  }

  onReturned(): boolean {
    if (this.settled || this.left) return false;
    this.abort = null;
    this.upstream = null;
    return true;
  }

  onHeaders(status: number, headers: UpstreamHeaders, resume: () => void): void {
    if (this.settled) return;
    this.resume = resume;
    if (status === 200 && headers.contentType.startsWith('text/event-stream')) {
      this.stream = new StreamRelay(this.exchange, this.response);
      if (this.left) this.stream.leave();
      this.response.on('drain', this.onClientDrain);
    } else {
      this.reply = new HeldReply(status, headers, this.limits.memory);
      this.deadline = this.watch.after(this.limits.idleMs);
    }
  }

  onData(chunk: Buffer): boolean {
    if (this.settled) return true;
    if (this.stream) {
      this.clientIsSlow = !this.stream.push(chunk);
      if (this.stream.hasProgressed) this.upstream?.engine.heard();
      if (this.clientIsSlow) this.deadline = this.watch.after(this.limits.clientStallMs);
      else if (this.stream.hasProgressed) this.deadline = this.watch.after(this.patienceFor(this.stream));
      if (this.left?.isToldMoreBy(this.stream)) this.stop(this.stream.clientLeft());
      return !this.clientIsSlow;
    }
    this.deadline = this.watch.after(this.limits.idleMs);
    // A refusal comes from vLLM's front end alone.
    if (this.reply?.status === 200) this.upstream?.engine.heard();
    if (this.reply && !this.reply.push(chunk)) this.stop(this.tooLarge());
    return true;
  }

  onEnd(): void {
    if (this.stream) this.close(this.stream.end());
    else if (this.reply) {
      const receipt = this.reply.isTooLarge
        ? this.tooLarge()
        : readJsonReply(this.exchange, this.response, this.reply.whole());
      if (this.reply.status === 404) this.upstream?.servesOtherwise();
      this.close(receipt);
    } else this.close(failed(upstreamFailed('no answer'), 502));
  }

  onError(error: Error): void {
    if (this.settled) return;
    if (this.stream)
      this.close(this.stream.cut('The connection to the model server broke.', upstreamFailed(error)));
    else if (this.reply?.isTooLarge) this.close(this.tooLarge());
    else if (!this.abort && notConnected(error)) {
      const failure = upstreamUnreachable(error);
      this.close(failed(failure, failure.getStatus()));
    } else this.close(failed(upstreamFailed(error), 502));
  }

  endNow(message: string): void {
    if (this.settled) return;
    const failure = upstreamFailed(message);
    this.stop(this.stream ? this.stream.cut(message, failure) : this.unanswered(failed(failure, 502)));
  }

  cutShort(failure: ApiException): void {
    if (this.settled) return;
    const unanswered = () => this.unanswered(failed(failure, failure.getStatus()));
    this.stop(this.stream ? this.stream.cutShort(failure) : unanswered());
  }

  onStall(): void {
    if (this.settled) return;
    if (this.clientIsSlow && this.stream) {
      // The client has stopped reading: it is as good as gone.
      this.response.destroy();
      this.stop(this.stream.clientLeft());
    } else if (this.stream?.isDone) {
      // Whole or not: that it stays open tells nothing more.
      this.stop(this.stream.end());
    } else if (this.stream) {
      this.stop(this.stream.cut('The model server fell silent.', upstreamTimedOut()));
    } else {
      this.stop(this.unanswered(failed(upstreamTimedOut(), 504)));
    }
  }

  private readonly onClientClose = (): void => {
    if (this.settled || this.response.writableFinished) return;
    if (this.abort && isUncounted(this.exchange, this.stream, this.isSilent) && this.limits.mayDrain())
      return this.drain();
    const receipt = this.stream?.clientLeft();
    this.stop(receipt ?? this.unanswered(CLIENT_LEFT));
  };

  private get isSilent(): boolean {
    const heardAt = this.deadline - this.limits.idleMs;
    return !this.clientIsSlow && performance.now() - heardAt > HELD_BACK_AFTER_MS;
  }

  /** It is finished for nobody, or read on until it is known what it cost, and billed as it is. */
  private drain(): void {
    this.left = new KnownAtLeaving(this.exchange, this.stream);
    this.limits.drainStarted();
    if (!this.stream) return;
    this.stream.leave();
    this.onClientDrain();
  }

  private patienceFor({ isDone }: StreamRelay): number {
    return isDone ? Math.min(AFTER_DONE_MS, this.limits.idleMs) : this.limits.idleMs;
  }

  private readonly onClientDrain = (): void => {
    this.clientIsSlow = false;
    if (this.stream) this.deadline = this.watch.after(this.patienceFor(this.stream));
    this.resume?.();
  };

  /** vLLM did all that it was asked for, which nobody can be given. */
  private tooLarge(): Receipt {
    const receipt = failed(answerTooLarge(), 502);
    return this.reply?.status === 200 ? this.unanswered(receipt) : receipt;
  }

  /**
   * vLLM took the request but said nothing of it: its prompt was worked on, so it is counted and billed. Not so when
   * vLLM itself failed: nobody pays for that.
   */
  private unanswered(receipt: Receipt): Receipt {
    if (!this.abort) return receipt;
    const usage = this.reply?.usage;
    if (usage) return { ...receipt, usage };
    return { ...receipt, source: 'estimated', usage: NO_TOKENS, promptKnown: false };
  }

  private stop(receipt: Receipt): void {
    this.close(receipt);
    this.abort?.(new Error('aborted by the gateway'));
  }

  private close(ended: Receipt): void {
    if (this.settled) return;
    this.settled = true;
    const receipt = this.left ? this.toNobody(ended) : ended;
    this.watch.remove(this);
    this.response.off('close', this.onClientClose);
    if (this.stream) this.response.off('drain', this.onClientDrain);
    if (this.left) this.limits.drainEnded();
    if (this.reply) this.freeOnceRead(this.reply, receipt);
    this.finish(receipt);
  }

  /** What was finished for nobody costs what it came to; what vLLM refused, nothing. */
  private toNobody(ended: Receipt): Receipt {
    if (this.stream && !this.stream.isRefused) return this.stream.clientLeft();
    return { ...ended, outcome: 'client_closed', status: 499 };
  }

  /** What is given to the client is in memory until the client has read it. */
  private freeOnceRead(reply: HeldReply, { deliver }: Receipt): void {
    // One that waited behind another answer is told of its end in passing, and never calls itself closed (queued-answers).
    if (deliver && !this.response.closed && !this.response.destroyed)
      this.response.once('close', () => reply.free());
    else reply.free();
  }
}
