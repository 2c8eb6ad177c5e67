import type { ServerResponse } from 'node:http';
import { ApiException } from '../../common/api.exception';
import type { Progress } from '../../usage/leases/open-requests';
import { DONE, errorFrame, failureFrame, sanitiseErrorFrame } from './error-frame';
import { EventWriter } from './event-writer';
import type { EventDialect } from '../dialect';
import type { Exchange, Receipt } from './exchange';
import { hasData } from './plain-event';
import { errorStatus, readRefusal, Reply } from './refusal';
import { SseFrames } from './sse-frames';
import { StreamMeter } from './stream-meter';
import { upstreamFailed } from '../upstream/upstream.exceptions';

const FRAME_END = '\n\n';

/**
 * Relays one event stream: each event goes on as it comes, stripped and renamed, and is metered on the way. Headers
 * wait for the first event, so that an upstream which dies before it is still answered with a proper error.
 */
export class StreamRelay {
  private readonly frames = new SseFrames();
  private readonly meter: StreamMeter;
  private readonly writer: EventWriter;
  private firstEventAt: number | null = null;
  private progressed = false;
  private refusal: string | null = null;
  private readonly dialect: EventDialect | null;
  private out = '';
  private isLeft = false;

  constructor(
    private readonly exchange: Exchange,
    private readonly response: ServerResponse,
  ) {
    this.meter = new StreamMeter(exchange.expected);
    this.writer = new EventWriter(response);
    this.dialect = exchange.dialect?.events() ?? null;
  }

  /** @returns false when the client reads slower than vLLM writes */
  push(chunk: Buffer): boolean {
    this.progressed = false;
    this.frames.push(chunk.toString('latin1'), this.onFrame);
    const { begun } = this.frames;
    this.progressed ||= begun !== '' && !isComment(begun) && !this.meter.sawDone;
    return this.flush();
  }

  /** Whether the last chunk brought anything but comments: a dead engine's front end can send those for ever. */
  get hasProgressed(): boolean {
    return this.progressed;
  }

  /** vLLM has said that nothing more will come. */
  get isDone(): boolean {
    return this.meter.sawDone;
  }

  private readonly onFrame = (frame: string): void => {
    if (this.meter.sawDone) return;
    if (!hasData(frame)) {
      // Before the first event a comment must not decide that the answer is a 200.
      if (this.writer.hasBegun) this.out += frame + FRAME_END;
      return;
    }
    this.progressed = true;
    const visible = this.meter.see(frame);
    if (this.meter.sawError && this.firstEventAt === null) {
      this.refusal ??= visible;
      return;
    }
    this.firstEventAt ??= performance.now();
    if (visible !== null)
      this.say(this.meter.sawError ? sanitiseErrorFrame(visible, this.exchange.expected) : visible);
  };

  private say(frame: string): void {
    this.out += this.dialect ? this.dialect.event(frame) : frame + FRAME_END;
  }

  /** Tokens so far. */
  progress(): Progress & { readonly promptKnown: boolean } {
    const { usage, promptKnown } = this.meter.usage();
    return { prompt: usage.prompt, completion: usage.completion, promptKnown };
  }

  /** vLLM ended the stream; whether it is whole is for the meter to say. */
  end(): Receipt {
    return this.cut('The model server ended the answer before it was complete.');
  }

  /** vLLM died, fell silent or was taken away: the client is told, in the stream if it has begun. */
  cut(message: string, failure: Error = upstreamFailed(message)): Receipt {
    const status = failure instanceof ApiException ? failure.getStatus() : 502;
    return this.saidItself() ?? this.breakOff(errorFrame(message, 502), status, failure);
  }

  /** The gateway itself has a reason to end it. */
  cutShort(failure: ApiException): Receipt {
    return this.saidItself() ?? this.breakOff(failureFrame(failure), failure.getStatus(), failure);
  }

  /** How vLLM said it ends, whatever becomes of the connection; null: it has not. */
  private saidItself(): Receipt | null {
    // Once every choice has given its finish reason nothing can be missing, with or without vLLM's [DONE].
    if (this.meter.isWhole) return this.close('completed');
    if (this.refusal !== null) return readRefusal(this.exchange, this.response, refusalOf(this.refusal));
    return this.meter.sawError ? this.close('upstream_error') : null;
  }

  private breakOff(frame: string, status: number, failure: Error): Receipt {
    if (!this.writer.hasBegun) return { ...this.receipt('upstream_error', status), failure };
    this.say(frame);
    return this.close('upstream_error');
  }

  /** From now on for nobody: it is only counted. */
  leave(): void {
    this.isLeft = true;
  }

  /** vLLM said in its first event that it does none of it. */
  get isRefused(): boolean {
    return this.refusal !== null;
  }

  clientLeft(): Receipt {
    return this.receipt('client_closed', 499);
  }

  private close(outcome: 'completed' | 'upstream_error'): Receipt {
    this.flush();
    // [DONE] waits for the settlement: an answer that looks complete is one that is billed.
    return {
      ...this.receipt(outcome, 200),
      deliver: () => this.writer.end(this.dialect?.end() ?? DONE + FRAME_END),
    };
  }

  private flush(): boolean {
    // What vLLM refuses in its first event can still be refused properly.
    if (this.out === '' || this.refusal !== null) return true;
    const events = this.out;
    this.out = '';
    return this.isLeft || this.writer.write(events);
  }

  private receipt(outcome: Receipt['outcome'], status: number): Receipt {
    const { usage, source, promptKnown } = this.meter.usage();
    const timeToFirstTokenMs =
      this.firstEventAt === null ? null : Math.round(this.firstEventAt - this.exchange.arrivedAt);
    return { outcome, status, usage, source, promptKnown, timeToFirstTokenMs };
  }
}

const isComment = (frame: string): boolean => frame.startsWith(':');

/** An error event as the JSON answer it would have been, had vLLM known in time: too many logprobs, a full queue. */
function refusalOf(frame: string): Reply {
  const body = Buffer.from(frame.slice('data: '.length), 'latin1');
  return {
    status: errorStatus(body) ?? 500,
    headers: { contentType: 'application/json', retryAfter: undefined },
    body,
  };
}
