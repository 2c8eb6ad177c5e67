import type { Choice, Step } from './answer';
import type { Generation } from './generation';
import { chatLogprobs, completionLogprobs } from './logprobs';
import { tokenId } from './tokenizer';
import { continuousUsage, finalUsage } from './usage';

const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`;

const opening = (generation: Generation) => ({
  id: generation.id,
  object: generation.chat ? 'chat.completion.chunk' : 'text_completion',
  created: generation.created,
  model: generation.request.model.id,
});

function usageOf(generation: Generation, choice: Choice): { usage?: object } {
  const { request, settings, chat } = generation;
  const { usage } = request.script;
  if (!request.continuousUsage || usage === 'omit') return {};
  return { usage: continuousUsage(generation.countsOf(choice), settings, chat, usage) };
}

/** The first chunk of a chat choice. Usage stands in the middle here. */
export function roleChunk(generation: Generation, choice: Choice): string {
  const { request } = generation;
  const prompt = request.prompts[choice.promptIndex]?.tokens ?? [];
  return frame({
    ...opening(generation),
    choices: [
      {
        index: choice.index,
        delta: { role: 'assistant', content: '' },
        logprobs: null,
        finish_reason: null,
      },
    ],
    ...usageOf(generation, choice),
    prompt_token_ids: request.returnTokenIds ? prompt.map(tokenId) : null,
    prompt_text: request.returnPromptText ? prompt.join('') : null,
  });
}

/** What of a group of steps one chunk shows; null when a parser holds all of it back. */
export function deltaChunk(
  generation: Generation,
  choice: Choice,
  steps: readonly Step[],
  last: boolean,
): string | null {
  const { request } = generation;
  const shown = steps.filter(
    (step) =>
      (step.text !== '' || step.tool?.name !== undefined) &&
      (step.kind !== 'reasoning' || request.includeReasoning),
  );
  if (generation.chat && shown.length === 0 && !last) return null;
  const finish = last && !request.script.doneWithoutFinish;
  return frame({
    ...opening(generation),
    choices: [
      generation.chat
        ? chatChoice(generation, choice, shown, finish)
        : completionChoice(generation, choice, steps, finish),
    ],
    ...usageOf(generation, choice),
    ...(finish && !request.includeUsage ? { system_fingerprint: generation.fingerprint } : {}),
    kv_transfer_params: null,
  });
}

function chatChoice(generation: Generation, choice: Choice, shown: readonly Step[], finish: boolean): object {
  const { request } = generation;
  const tokens = shown.flatMap((step) => step.tokens);
  return {
    index: choice.index,
    delta: chatDelta(shown, request.includeReasoning),
    logprobs:
      request.logprobs === null || tokens.length === 0 ? null : chatLogprobs(tokens, request.logprobs),
    finish_reason: finish ? choice.finishReason : null,
    ...(finish ? { stop_reason: choice.stopReason } : {}),
    token_ids: request.returnTokenIds ? tokens.map(tokenId) : null,
    ...(finish ? { weight_versions: null } : {}),
  };
}

function chatDelta(shown: readonly Step[], includeReasoning: boolean): object {
  const text = (kind: Step['kind']) =>
    shown
      .filter((step) => step.kind === kind)
      .map((step) => step.text)
      .join('');
  const tools = shown.filter((step) => step.kind === 'tool');
  if (tools.length > 0) return { content: null, tool_calls: tools.map(toolDelta) };
  const reasoning = text('reasoning');
  const content = text('content');
  return {
    ...(content ? { content } : {}),
    ...(reasoning ? { reasoning } : {}),
    ...(content && !includeReasoning ? { reasoning: null } : {}),
  };
}

function toolDelta({ tool, text }: Step): object {
  if (tool?.name === undefined) return { index: tool?.index, function: { arguments: text } };
  return { id: tool.id, type: 'function', index: tool.index, function: { name: tool.name } };
}

function completionChoice(
  generation: Generation,
  choice: Choice,
  steps: readonly Step[],
  finish: boolean,
): object {
  const { request } = generation;
  const tokens = steps.flatMap((step) => step.tokens);
  const before = generation.countsOf(choice).completion === tokens.length;
  const prompt = request.prompts[choice.promptIndex]?.tokens ?? [];
  const echoed = request.echo && before;
  return {
    index: choice.index,
    text: (echoed ? prompt.join('') : '') + steps.map((step) => step.text).join(''),
    logprobs: request.logprobs === null ? null : completionLogprobs(tokens, request.logprobs, 0),
    finish_reason: finish ? choice.finishReason : null,
    stop_reason: finish ? choice.stopReason : null,
    prompt_token_ids: before && (request.echo || request.returnTokenIds) ? prompt.map(tokenId) : null,
    token_ids: request.returnTokenIds ? tokens.map(tokenId) : null,
    weight_versions: null,
  };
}

/** The chunk without choices that carries the totals. */
export function usageChunk(generation: Generation): string {
  const { settings, chat, request } = generation;
  return frame({
    ...opening(generation),
    choices: [],
    usage: finalUsage(generation.totals, settings, chat, request.script.usage),
    system_fingerprint: generation.fingerprint,
  });
}
