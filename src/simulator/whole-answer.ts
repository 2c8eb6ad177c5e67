import type { Choice, Step } from './answer';
import type { Generation } from './generation';
import { chatLogprobs, completionLogprobs } from './logprobs';
import { tokenId } from './tokenizer';
import { wholeUsage } from './usage';

/** The JSON body of an answer that is not streamed; unlike chunks it names every field. */
export function wholeAnswer(generation: Generation): object {
  const { request, chat, settings } = generation;
  const { usage } = request.script;
  const prompt = request.prompts[0]?.tokens ?? [];
  return {
    id: generation.id,
    object: chat ? 'chat.completion' : 'text_completion',
    created: generation.created,
    model: request.model.id,
    choices: generation.choices.map((choice) =>
      chat ? chatChoice(generation, choice) : completionChoice(generation, choice),
    ),
    service_tier: null,
    system_fingerprint: generation.fingerprint,
    ...(usage === 'omit' ? {} : { usage: wholeUsage(generation.totals, settings, chat, usage) }),
    ...(chat
      ? {
          prompt_logprobs: null,
          prompt_token_ids: request.returnTokenIds ? prompt.map(tokenId) : null,
          prompt_text: request.returnPromptText ? prompt.join('') : null,
        }
      : {}),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
}

const textOf = (steps: readonly Step[], kind: Step['kind']) =>
  steps
    .filter((step) => step.kind === kind)
    .map((step) => step.text)
    .join('');

function chatChoice(generation: Generation, choice: Choice): object {
  const { request } = generation;
  const { steps } = choice;
  const calls = choice.unparsed === null ? toolCalls(steps) : [];
  const content = choice.unparsed ?? textOf(steps, 'content');
  const reasoning = textOf(steps, 'reasoning');
  const tokens = steps.filter((step) => step.kind === 'content').flatMap((step) => step.tokens);
  return {
    index: choice.index,
    message: {
      role: 'assistant',
      content: content === '' && reasoning !== '' && calls.length === 0 ? null : content,
      refusal: null,
      annotations: null,
      audio: null,
      function_call: null,
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      reasoning: reasoning === '' || !request.includeReasoning ? null : reasoning,
    },
    logprobs: request.logprobs === null ? null : chatLogprobs(tokens, request.logprobs),
    finish_reason: choice.finishReason,
    stop_reason: choice.stopReason,
    token_ids: request.returnTokenIds ? steps.flatMap((step) => step.tokens).map(tokenId) : null,
    routed_experts: null,
    weight_versions: null,
  };
}

function toolCalls(steps: readonly Step[]): object[] {
  return steps
    .filter((step) => step.tool?.name !== undefined)
    .map(({ tool }) => ({
      id: tool?.id,
      type: 'function',
      function: {
        name: tool?.name,
        arguments: steps
          .filter((step) => step.tool?.index === tool?.index)
          .map((step) => step.text)
          .join(''),
      },
    }));
}

function completionChoice(generation: Generation, choice: Choice): object {
  const { request } = generation;
  const prompt = request.prompts[choice.promptIndex]?.tokens ?? [];
  const tokens = choice.steps.flatMap((step) => step.tokens);
  const echoed = request.echo ? prompt.join('') : '';
  return {
    index: choice.index,
    text: echoed + textOf(choice.steps, 'content'),
    logprobs: request.logprobs === null ? null : completionLogprobs(tokens, request.logprobs, echoed.length),
    finish_reason: choice.finishReason,
    stop_reason: choice.stopReason,
    token_ids: request.returnTokenIds ? tokens.map(tokenId) : null,
    prompt_logprobs: null,
    prompt_token_ids: request.returnTokenIds ? prompt.map(tokenId) : null,
    routed_experts: null,
    weight_versions: null,
  };
}
