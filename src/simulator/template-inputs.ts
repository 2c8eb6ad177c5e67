import { optionalDictionary, optionalList, optionalString } from './lax-values';
import { tokenize } from './tokenizer';

/** What a chat template renders beside the messages. */
export interface TemplateInputs {
  /** Tokens it adds to every chat, as a built-in system prompt does. */
  readonly templateTokens: number;
  readonly tools: readonly unknown[] | undefined;
  readonly documents: readonly unknown[] | undefined;
  readonly reasoningEffort: string | undefined;
}

type Body = Readonly<Record<string, unknown>>;

/** Of a chat: its own fields win over chat_template_kwargs. @throws ApiError */
export function chatInputs(
  body: Body,
  tools: readonly unknown[] | undefined,
  templateTokens: number,
): TemplateInputs {
  const parameters = optionalDictionary(body.chat_template_kwargs, 'body.chat_template_kwargs');
  const documents = optionalList(body.documents, 'body.documents');
  const effort = optionalString(body.reasoning_effort, 'body.reasoning_effort');
  return {
    templateTokens,
    tools,
    documents: documents ?? listOf(parameters?.documents),
    reasoningEffort: effort ?? textOf(parameters?.reasoning_effort),
  };
}

/** Of POST /tokenize: it has no field for documents and effort, and heeds chat_template_kwargs. @throws ApiError */
export function tokenizeInputs(body: Body, templateTokens: number): TemplateInputs {
  const parameters = optionalDictionary(body.chat_template_kwargs, 'body.chat_template_kwargs');
  return {
    templateTokens,
    tools: optionalList(body.tools, 'body.tools'),
    documents: listOf(parameters?.documents),
    reasoningEffort: textOf(parameters?.reasoning_effort),
  };
}

/** What stands before the first message. */
export function preamble({ templateTokens, tools, documents, reasoningEffort }: TemplateInputs): string[][] {
  const parts = [Array.from({ length: templateTokens }, () => '<|built-in|>')];
  if (reasoningEffort !== undefined) parts.push(tokenize(`Reasoning: ${reasoningEffort}\n`));
  if (tools && tools.length > 0)
    parts.push(['<|tools|>'], tokenize(JSON.stringify(tools)), ['<|/tools|>', '\n']);
  if (documents && documents.length > 0)
    parts.push(['<|documents|>'], tokenize(JSON.stringify(documents)), ['<|/documents|>', '\n']);
  return parts;
}

const listOf = (value: unknown) => (Array.isArray(value) ? (value as unknown[]) : undefined);
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
