import { Logger } from '@nestjs/common';
import { v7 as uuidV7 } from 'uuid';
import type { Env } from '../../config/env';
import { EngineJudgement, TICK_MS } from './engine-judgement';
import type { Question, VllmApi } from './vllm-api.service';

/**
 * Notices when the engine of one server hangs behind a front end that answers. As long as vLLM sends anything, or nobody waits
 * for it, it is not asked anything; then it is asked for one token, in the way that is waited for, and for nobody's account.
 */
export class EngineWatch {
  private readonly logger = new Logger(EngineWatch.name);
  /** Null: it is never doubted. */
  private readonly judgement: EngineJudgement | null;
  private readonly timer: NodeJS.Timeout | null;
  private oldestWaiting: () => Question | null = () => null;
  /** What vLLM was asked when doubt began. */
  private question: Question | null = null;
  private probes: AbortController[] = [];
  private signs: string | null = null;

  /**
   * @param url where it is; null where there is only one
   * @param changed is told when it goes down or comes up
   */
  constructor(
    private readonly vllm: VllmApi,
    private readonly url: string | null,
    private readonly changed: () => void,
    private readonly env: Env,
  ) {
    const { UPSTREAM_PROBE_AFTER_MS: afterMs, UPSTREAM_PROBE_TIMEOUT_MS: patienceMs } = env;
    const judgement = afterMs > 0 ? new EngineJudgement(afterMs, patienceMs, performance.now()) : null;
    this.judgement = judgement;
    this.timer = judgement && setInterval(() => this.tick(judgement), TICK_MS).unref();
  }

  /** @param oldestWaiting what the generation asked that has waited longest for it; asked for at each tick */
  follow(oldestWaiting: () => Question | null): void {
    this.oldestWaiting = oldestWaiting;
  }

  /** Something was generated. */
  heard(): void {
    this.judgement?.heard();
  }

  /** Whether a new generation would wait in vain. */
  get isDown(): boolean {
    return this.judgement !== null && this.judgement.isDown;
  }

  end(): void {
    if (this.timer) clearInterval(this.timer);
    this.stopAsking();
  }

  private tick(judgement: EngineJudgement): void {
    const waiting = this.oldestWaiting();
    const step = judgement.tick(performance.now(), waiting !== null);
    if (step === 'ask') this.question = waiting;
    if (step === 'down' || step === 'up') this.tell(judgement.isDown);
    if (judgement.isTrusted) this.stopAsking();
    else if (step === 'ask' || step === 'ask again') {
      void this.ask(judgement);
      void this.lookForWork(judgement);
    }
  }

  /** The first is left to wait, since an answer after a minute is one, too; a later one gives way to the next. */
  private async ask(judgement: EngineJudgement): Promise<void> {
    if (this.question === null) return;
    if (this.probes.length > 1) this.probes.pop()?.abort();
    const probe = new AbortController();
    this.probes.push(probe);
    const reaction = await this.vllm.generateOne(this.question, `probe-${uuidV7()}`, probe.signal);
    if (probe.signal.aborted) return;
    this.probes = this.probes.filter((other) => other !== probe);
    // Who takes no connections lets nobody wait; but it may be on its way back, and is not before it answers.
    if (reaction === 'answered' || (reaction === 'unreachable' && !judgement.isDown)) judgement.heard();
  }

  /** The question may stand in a long queue, or behind a long prompt: then the engine works all the same. */
  private async lookForWork(judgement: EngineJudgement): Promise<void> {
    const signs = await this.vllm.signsOfWork();
    if (signs === null || judgement.isTrusted) return;
    if (this.signs !== null && this.signs !== signs) judgement.heard();
    this.signs = signs;
  }

  private stopAsking(): void {
    for (const probe of this.probes) probe.abort();
    this.probes = [];
    this.question = null;
    this.signs = null;
  }

  private tell(isDown: boolean): void {
    this.changed();
    const name = this.url === null ? 'vLLM' : `vLLM at ${this.url}`;
    if (!isDown) return this.logger.log(`${name} answers again: generations are taken as before`);
    const { UPSTREAM_PROBE_AFTER_MS: afterMs, UPSTREAM_PROBE_TIMEOUT_MS: patienceMs } = this.env;
    const seconds = Math.round((afterMs + patienceMs) / 1_000);
    const meanwhile =
      this.url === null
        ? 'new generations are refused until it does'
        : 'it gets no new generations until it does';
    this.logger.error(
      `${name} takes requests but has answered none for ${seconds} s, nor when it was asked for one token: ${meanwhile}`,
    );
  }
}
