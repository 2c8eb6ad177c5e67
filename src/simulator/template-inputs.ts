import { optionalDictionary, optionalList, optionalOneOf, optionalString } from './lax-values';
import type { SimulatorSettings } from './simulator-settings';
import { tokenize } from './tokenizer';

/** What a chat template renders beside the messages. */
export interface TemplateInputs {
  /** Tokens it adds to every chat, as a built-in system prompt does. */
  readonly templateTokens: number;
  readonly tools: readonly unknown[] | undefined;
  readonly documents: readonly unknown[] | undefined;
  readonly reasoningEffort: string | undefined;
  /** false: the answer begins with an empty thought. */
  readonly enableThinking: unknown;
  /** response_format and a tool_choice that is not "auto", where the template tells the model of them. */
  readonly constraints: readonly unknown[];
}

type Body = Readonly<Record<string, unknown>>;
type Template = Pick<SimulatorSettings, 'templateTokens' | 'rendersConstraints' | 'reasoningEffortMap'>;

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** Texts by name. @throws ApiError */
function readDocuments(value: unknown): unknown[] | undefined {
  const documents = optionalList(value, 'body.documents');
  documents?.forEach((document, index) => {
    const at = `body.documents.${index}`;
    for (const [name, text] of Object.entries(optionalDictionary(document, at) ?? {}))
      optionalString(text, `${at}.${name}`);
  });
  return documents;
}

/** Of a chat: its own fields win over chat_template_kwargs, and an effort says whether to think. @throws ApiError */
export function chatInputs(
  body: Body,
  tools: readonly unknown[] | undefined,
  { templateTokens, rendersConstraints, reasoningEffortMap }: Template,
): TemplateInputs {
  const parameters = optionalDictionary(body.chat_template_kwargs, 'body.chat_template_kwargs');
  const documents = readDocuments(body.documents);
  const asked = optionalOneOf(EFFORTS, body.reasoning_effort, 'body.reasoning_effort');
  const effort = asked === undefined ? undefined : (reasoningEffortMap[asked] ?? asked);
  const isTold = effort === undefined || (parameters !== undefined && 'enable_thinking' in parameters);
  return {
    templateTokens,
    tools,
    documents: documents ?? listOf(parameters?.documents),
    reasoningEffort: effort ?? textOf(parameters?.reasoning_effort),
    enableThinking: isTold ? parameters?.enable_thinking : effort !== 'none',
    constraints: rendersConstraints ? constraintsOf(body, tools) : [],
  };
}

function constraintsOf(
  { response_format, tool_choice }: Body,
  tools: readonly unknown[] | undefined,
): unknown[] {
  const choice = tools && tool_choice !== 'auto' ? tool_choice : undefined;
  return [choice, response_format].filter((constraint) => constraint !== undefined && constraint !== null);
}

/** Of POST /tokenize: it knows nothing of effort, documents and constraints, and heeds chat_template_kwargs. @throws ApiError */
export function tokenizeInputs(body: Body, { templateTokens }: Template): TemplateInputs {
  const parameters = optionalDictionary(body.chat_template_kwargs, 'body.chat_template_kwargs');
  return {
    templateTokens,
    tools: optionalList(body.tools, 'body.tools'),
    documents: listOf(parameters?.documents),
    reasoningEffort: textOf(parameters?.reasoning_effort),
    enableThinking: parameters?.enable_thinking,
    constraints: [],
  };
}

/** What stands before the first message. */
export function preamble(inputs: TemplateInputs): string[][] {
  const { templateTokens, tools, documents, reasoningEffort, constraints } = inputs;
  const parts = [Array.from({ length: templateTokens }, () => '<|built-in|>')];
  if (reasoningEffort !== undefined) parts.push(tokenize(`Reasoning: ${reasoningEffort}\n`));
  if (tools && tools.length > 0)
    parts.push(['<|tools|>'], tokenize(JSON.stringify(tools)), ['<|/tools|>', '\n']);
  if (documents && documents.length > 0)
    parts.push(['<|documents|>'], tokenize(JSON.stringify(documents)), ['<|/documents|>', '\n']);
  for (const constraint of constraints) parts.push(tokenize(`Heed ${JSON.stringify(constraint)}\n`));
  return parts;
}

/** What opens the answer. */
export function opening({ enableThinking }: TemplateInputs): string[] {
  const thought = enableThinking === false ? ['<think>', '\n\n', '</think>', '\n\n'] : [];
  return ['<|im_start|>', 'a', 'ss', 'istant', '\n', ...thought];
}

const listOf = (value: unknown) => (Array.isArray(value) ? (value as unknown[]) : undefined);
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
