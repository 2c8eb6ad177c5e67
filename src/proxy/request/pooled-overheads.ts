import { Injectable, Logger } from '@nestjs/common';
import { PooledEndpoint } from '../endpoints';

/** Marks for the beginning and the end of a text; words of a template around a pair, which some rerankers have. */
const TO_BEGIN_WITH: Readonly<Record<PooledEndpoint, number>> = { embeddings: 16, rerank: 256, score: 256 };
/** The most that answers can teach: beyond any template there is, nobody shall be able to raise it. */
const MOST_LEARNED = 4_096;

/**
 * The tokens a model puts around each text or pair, which no byte of a request stands for. vLLM counts them nowhere but in
 * the usage of an answer: where that is above the bound, the texts were short beside it, and all of it is taken for what
 * stands around one. Each process learns for itself.
 */
@Injectable()
export class PooledOverheads {
  private readonly logger = new Logger(PooledOverheads.name);
  private readonly learned = new Map<string, number>();

  /** In tokens for each prompt. */
  of(endpoint: PooledEndpoint, servedName: string): number {
    return this.learned.get(keyOf(endpoint, servedName)) ?? TO_BEGIN_WITH[endpoint];
  }

  /** An answer showed that `shown` would have been right, where `before` was taken. */
  raise(endpoint: PooledEndpoint, servedName: string, before: number, shown: number): void {
    const tokens = Math.min(shown, MOST_LEARNED);
    if (tokens <= this.of(endpoint, servedName)) return;
    this.learned.set(keyOf(endpoint, servedName), tokens);
    this.logger.warn(
      { model: servedName, endpoint, before, tokens },
      'vLLM counted more prompt tokens than their upper bound: what it adds to each text is now taken for more',
    );
  }
}

const keyOf = (endpoint: PooledEndpoint, servedName: string): string => `${endpoint} ${servedName}`;
