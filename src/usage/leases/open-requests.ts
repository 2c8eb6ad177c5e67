import { Injectable } from '@nestjs/common';
import type { ApiException } from '../../common/api.exception';

/** Tokens counted so far. */
export interface Progress {
  readonly prompt: number;
  readonly completion: number;
}

/** What the database shall know of a running request, should this process die. */
export interface Checkpoint extends Progress {
  readonly requestId: string;
}

/** A request on its way to vLLM and back. */
export interface UnderWay {
  /** Asked every few seconds; null while nothing is known. */
  progress(): Progress | null;
  /** Ends it now: vLLM is stopped, the client reads why, and what was counted is billed. */
  cutShort(failure: ApiException): void;
}

const NOTHING: Progress = { prompt: 0, completion: 0 };

interface OpenRequest {
  underWay: UnderWay | null;
  /** The last checkpoint that was written. */
  written: Progress;
}

/**
 * The requests of this process that may have a row in open_requests: from before their admission is sent until their
 * settlement is committed. A row that is not among them is nobody's.
 */
@Injectable()
export class OpenRequests {
  private readonly requests = new Map<string, OpenRequest>();

  begin(requestId: string): void {
    if (!this.requests.has(requestId)) this.requests.set(requestId, { underWay: null, written: NOTHING });
  }

  /** From now on it can be asked how far it is, and be ended. */
  follow(requestId: string, underWay: UnderWay): void {
    const request = this.requests.get(requestId);
    if (request) request.underWay = underWay;
  }

  /** Does nothing for what is not at vLLM yet, or not any more. */
  cutShort(requestId: string, failure: ApiException): void {
    this.requests.get(requestId)?.underWay?.cutShort(failure);
  }

  end(requestId: string): void {
    this.requests.delete(requestId);
  }

  has(requestId: string): boolean {
    return this.requests.has(requestId);
  }

  get size(): number {
    return this.requests.size;
  }

  /** What has changed since the last ones that were written. */
  checkpoints(): Checkpoint[] {
    const due: Checkpoint[] = [];
    for (const [requestId, { underWay, written }] of this.requests) {
      const progress = underWay?.progress();
      // Any change: what vLLM tells of a prompt may be less than what it was taken for.
      if (progress && (progress.prompt !== written.prompt || progress.completion !== written.completion))
        due.push({ requestId, ...progress });
    }
    return due;
  }

  written(checkpoints: readonly Checkpoint[]): void {
    for (const { requestId, prompt, completion } of checkpoints) {
      const request = this.requests.get(requestId);
      if (request) request.written = { prompt, completion };
    }
  }
}
