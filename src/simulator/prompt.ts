import { ApiError } from './api-error';
import type { Script } from './script';
import { findScript } from './script';
import { opening, preamble, TemplateInputs } from './template-inputs';
import { tokenize } from './tokenizer';

/** What a prompt is made of once the chat template has been applied. */
export interface Prompt {
  readonly tokens: readonly string[];
  /** How long its text is; 0 when it was given as token ids. */
  readonly characters: number;
  /** Where a script may stand: the last user message, or the prompt itself. */
  readonly script: Script | undefined;
  /** A tool result came after the last user message: the tool call was already made. */
  readonly answersTool: boolean;
}

interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
  readonly tool_calls?: unknown;
  readonly tool_call_id?: unknown;
  readonly reasoning?: unknown;
  readonly tools?: unknown;
}

/** What an image costs, in tokens, whatever its size. */
const IMAGE_TOKENS = 256;

/** Renders a chat as ChatML does: 5 tokens around each message and 5 to open the answer. */
export function chatPrompt(messages: readonly Message[], inputs: TemplateInputs): Prompt {
  // No spread: a prompt of megabytes has more tokens than a call may have arguments.
  const parts: string[][] = preamble(inputs);
  let lastUser = '';
  let answersTool = false;
  const names = new Map<unknown, string>();
  for (const message of messages) {
    const role = typeof message.role === 'string' ? message.role : '';
    const text = textOf(message.content);
    if (role === 'user') {
      lastUser = text;
      answersTool = false;
    }
    if (role === 'tool') {
      answersTool = true;
      // As the templates of Gemma 4 and Kimi K3 do: of which tool it is a result.
      parts.push(tokenize(names.get(message.tool_call_id) ?? ''), referenced(message.content, inputs.tools));
    }
    for (const [id, name] of callsIn(message.tool_calls)) names.set(id, name);
    parts.push(['<|im_start|>', role, '\n'], thought(role, message.reasoning));
    parts.push(encode(text), images(message.content));
    if (role === 'developer' && message.tools) parts.push(tokenize(JSON.stringify(message.tools)));
    if (message.tool_calls) parts.push(tokenize(JSON.stringify(message.tool_calls)));
    parts.push(['<|im_end|>', '\n']);
  }
  parts.push(opening(inputs));
  const tokens = parts.flat();
  return { tokens, characters: lengthOf(tokens), script: findScript(lastUser), answersTool };
}

function callsIn(calls: unknown): (readonly [unknown, string])[] {
  if (!Array.isArray(calls)) return [];
  return (calls as { id?: unknown; function?: { name?: unknown } }[]).flatMap(({ id, function: called }) =>
    typeof called?.name === 'string' ? [[id, called.name] as const] : [],
  );
}

/** As the template of GLM 5 does: each reference in a result shows the whole tool. */
function referenced(content: unknown, tools: readonly unknown[] | undefined): string[] {
  if (!Array.isArray(content)) return [];
  const byName = (name: unknown) =>
    tools?.find((tool) => (tool as { function?: { name?: unknown } }).function?.name === name);
  return (content as { type?: unknown; name?: unknown }[])
    .filter(({ type }) => type === 'tool_reference')
    .flatMap(({ name }) => tokenize(JSON.stringify(byName(name) ?? '')));
}

/** What an assistant thought before, as templates for chains of tool calls keep it. */
function thought(role: string, reasoning: unknown): string[] {
  if (role !== 'assistant' || typeof reasoning !== 'string' || reasoning === '') return [];
  return ['<think>', '\n', ...encode(reasoning), '\n', '</think>', '\n'];
}

/** One prompt of /v1/completions: a text, or token ids. */
export function textPrompt(prompt: string | readonly number[]): Prompt {
  if (typeof prompt !== 'string')
    return { tokens: prompt.map(String), characters: 0, script: undefined, answersTool: false };
  return {
    tokens: encode(prompt),
    characters: prompt.length,
    script: findScript(prompt),
    answersTool: false,
  };
}

/**
 * With truncate_prompt_tokens only the end of a prompt is kept; -1 = as much as fits, beside one token if any are asked
 * for. @throws ApiError
 */
export function truncated(prompt: Prompt, keep: number | undefined, window: number, wanted: number): Prompt {
  if (keep === undefined) return prompt;
  if (keep === 0) throw ApiError.badRequest(null, 'The decoder prompt cannot be empty');
  if (keep > window)
    throw ApiError.badRequest(
      'truncate_prompt_tokens',
      `truncate_prompt_tokens=${keep} cannot be greater than max_model_len = ${window}. Please request a smaller truncation size.`,
      keep,
    );
  const fits = window - Math.min(1, wanted);
  return { ...prompt, tokens: prompt.tokens.slice(-(keep === -1 ? fits : keep)), characters: 0 };
}

/** @throws ApiError for half a surrogate pair, which is no text to a tokenizer */
function encode(text: string): string[] {
  if (/\p{Surrogate}/u.test(text))
    throw ApiError.badRequest(
      null,
      'TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, InputSequence]]',
    );
  return tokenize(text);
}

const lengthOf = (tokens: readonly string[]) => tokens.reduce((sum, token) => sum + token.length, 0);

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: { text?: unknown }) => (typeof part?.text === 'string' ? part.text : ''))
    .join('\n');
}

function images(content: unknown): string[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: { type?: unknown }) =>
    part?.type === 'image_url' ? Array.from({ length: IMAGE_TOKENS }, () => '<|image|>') : [],
  );
}
