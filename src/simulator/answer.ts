import type { GenerationRequest } from './generation-request';
import { answerText } from './answer-text';
import { tokenize } from './tokenizer';
import { toolFinishReason, toolsToCall, toolSteps } from './tool-calls';

/** One step of the engine for one choice: a token, or several when a parser or the scheduler holds them back. */
export interface Step {
  /** 'silent': tokens that no client sees, as the markup around a tool call. */
  readonly kind: 'content' | 'reasoning' | 'tool' | 'silent';
  readonly text: string;
  readonly tokens: readonly string[];
  /** What a tool step adds: with a name it opens the call. */
  readonly tool?: { readonly index: number; readonly id?: string; readonly name?: string };
}

export interface Choice {
  readonly index: number;
  readonly promptIndex: number;
  readonly steps: readonly Step[];
  readonly finishReason: string;
  readonly stopReason: string | null;
  /** What the parser could not read as a tool call because it was cut: a JSON answer shows it as content. */
  readonly unparsed: string | null;
}

/** Decides everything that will be generated, choice by choice: index = prompt × n + i, as vLLM numbers them. */
export function planAnswer(request: GenerationRequest): Choice[] {
  return request.prompts.flatMap((_, promptIndex) =>
    Array.from({ length: request.n }, (__, i) => planChoice(request, promptIndex, i)),
  );
}

function planChoice(request: GenerationRequest, promptIndex: number, i: number): Choice {
  const { script } = request;
  const tools = toolsToCall(request, promptIndex);
  const steps: Step[] = [...reasoningSteps(script.reasoning)];
  if (tools.length > 0) tools.forEach((tool, index) => steps.push(...toolSteps(tool, index)));
  else steps.push(...textSteps(request, promptIndex, i));

  const stopped = tools.length > 0 ? null : cutAtStop(steps, request);
  const maxTokens = request.maxTokens[promptIndex] ?? 0;
  const kept = takeTokens(stopped?.steps ?? steps, maxTokens);
  const natural = tools.length > 0 ? toolFinishReason(request) : 'stop';
  return {
    index: promptIndex * request.n + i,
    promptIndex,
    steps: kept.steps,
    finishReason: kept.cut ? 'length' : (script.finishReason ?? natural),
    stopReason: kept.cut ? null : (stopped?.stop ?? null),
    unparsed: kept.cut && tools.length > 0 ? rawText(kept.steps) : null,
  };
}

function rawText(steps: readonly Step[]): string {
  return steps.flatMap((step) => (step.kind === 'reasoning' ? [] : step.tokens)).join('');
}

function reasoningSteps(reasoning: string | number | undefined): Step[] {
  if (reasoning === undefined) return [];
  const tokens =
    typeof reasoning === 'string' ? tokenize(reasoning) : Array.from({ length: reasoning }, () => ' hm');
  return tokens.map((token) => ({ kind: 'reasoning', text: token, tokens: [token] }));
}

function textSteps(request: GenerationRequest, promptIndex: number, i: number): Step[] {
  const { script, ignoreEos } = request;
  const maxTokens = request.maxTokens[promptIndex] ?? 0;
  const scripted = script.tokensByChoice?.[promptIndex * request.n + i] ?? script.tokens;
  const length = scripted ?? (ignoreEos ? maxTokens + 1 : undefined);
  const tokens = answerText({
    seed: request.seed + promptIndex * 131 + i * 17,
    text: script.text,
    length: length === undefined ? undefined : Math.min(length, maxTokens + 1),
  });
  const steps: Step[] = tokens.map((token) => ({ kind: 'content', text: token, tokens: [token] }));
  if (script.hugeChunkBytes !== undefined && steps[0])
    steps[0] = { ...steps[0], text: 'x'.repeat(script.hugeChunkBytes) };
  // A model that stops by itself says so with a token that has no text and is counted.
  if (length === undefined) steps.push({ kind: 'silent', text: '', tokens: ['<|im_end|>'] });
  return steps;
}

/** Cuts the text at the first stop string; its tokens were generated and stay counted. */
function cutAtStop(
  steps: readonly Step[],
  { stop, includeStop }: GenerationRequest,
): { steps: Step[]; stop: string } | null {
  const text = steps.map((step) => (step.kind === 'content' ? step.text : '')).join('');
  const found = stop
    .map((word) => ({ word, at: text.indexOf(word) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)[0];
  if (!found) return null;
  const end = found.at + (includeStop ? found.word.length : 0);
  const kept: Step[] = [];
  let seen = 0;
  for (const step of steps) {
    const shown = step.kind === 'content' ? step.text : '';
    kept.push({
      ...step,
      text: step.kind === 'content' ? shown.slice(0, Math.max(0, end - seen)) : step.text,
    });
    seen += shown.length;
    if (seen >= found.at + found.word.length) break;
  }
  return { steps: kept, stop: found.word };
}

/** The steps that fit into so many tokens, and whether something was left out. */
function takeTokens(steps: readonly Step[], maxTokens: number): { steps: Step[]; cut: boolean } {
  const kept: Step[] = [];
  let left = maxTokens;
  for (const step of steps) {
    if (left === 0) return { steps: kept, cut: true };
    const tokens = step.tokens.slice(0, left);
    // What a parser holds back is shown only once all of it is there.
    kept.push(tokens.length < step.tokens.length ? { kind: 'silent', text: '', tokens } : step);
    left -= tokens.length;
    if (tokens.length < step.tokens.length) return { steps: kept, cut: true };
  }
  return { steps: kept, cut: false };
}
