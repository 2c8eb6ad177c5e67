import { invalidField } from '../proxy/request/field-checks';
import { chatMessages } from './chat-messages';
import { isObject, textsOf } from './content-blocks';

type Fields = Readonly<Record<string, unknown>>;

/** What a message's body may hold besides, and means nothing here or is the gateway's to decide, is left out. */
const AS_THEY_ARE = ['model', 'stream', 'temperature', 'top_p', 'top_k', 'chat_template_kwargs'] as const;

const CHOICES: Readonly<Record<string, string>> = { auto: 'auto', any: 'required', none: 'none' };

/**
 * The body of a chat that says what a body of POST /v1/messages says, made as vLLM's own /v1/messages makes it (0.33,
 * entrypoints/anthropic/serving.py). Texts in it are checked where chats are.
 * @throws ApiException 400
 */
export function chatOfMessages(fields: Fields): object {
  const { max_tokens: most } = fields;
  if (!Number.isInteger(most) || (most as number) < 1)
    throw invalidField('max_tokens', 'max_tokens is missing, or not a whole number of at least 1.');
  return {
    ...chatOfPrompt(fields),
    max_tokens: most,
    ...given('stop', stops(fields.stop_sequences)),
    // Counts in every event: what a message came to stands in its last one.
    ...(fields.stream === true
      ? { stream_options: { include_usage: true, continuous_usage_stats: true } }
      : {}),
  };
}

/** The same of what decides over the length of its prompt: a body of POST /v1/messages/count_tokens. */
export function chatOfPrompt(fields: Fields): object {
  if (fields.mcp_servers !== undefined && !isEmptyList(fields.mcp_servers))
    throw invalidField('mcp_servers', 'mcp_servers is not accepted: nothing is called from here.');
  const tools = chatTools(fields.tools);
  return {
    ...Object.fromEntries(AS_THEY_ARE.filter((key) => key in fields).map((key) => [key, fields[key]])),
    messages: chatMessages(fields.system, fields.messages),
    ...given('tools', tools),
    ...toolChoice(fields.tool_choice, tools !== null),
    ...outputForm(fields),
    ...thinking(fields),
  };
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

const given = (key: string, value: unknown): object => (value === null ? {} : { [key]: value });

function stops(value: unknown): readonly string[] | null {
  if (value === undefined || value === null || isEmptyList(value)) return null;
  return textsOf('stop_sequences', value);
}

function chatTools(value: unknown): object[] | null {
  if (value === undefined || value === null || isEmptyList(value)) return null;
  if (!Array.isArray(value)) throw invalidField('tools', 'tools must be a list of tools.');
  return value.map(chatTool);
}

function chatTool(tool: unknown, at: number): object {
  const where = `tools[${at}]`;
  if (!isObject(tool) || typeof tool.name !== 'string')
    throw invalidField(where, `${where} must be an object with a name.`);
  const { name, description, input_schema: schema, strict, type } = tool;
  if (!isObject(schema)) {
    const reason =
      typeof type === 'string' && type !== 'custom'
        ? `${where} is of a type that only Anthropic's own models have; describe it by an input_schema.`
        : `${where} must have an input_schema, which is an object.`;
    throw invalidField(where, reason);
  }
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      parameters: { type: 'object', ...schema },
      ...(typeof strict === 'boolean' ? { strict } : {}),
    },
  };
}

function toolChoice(choice: unknown, hasTools: boolean): object {
  if (choice === undefined || choice === null) return {};
  if (!isObject(choice)) throw invalidField('tool_choice', 'tool_choice must be an object with a type.');
  const { type, name, disable_parallel_tool_use: one } = choice;
  if (!hasTools) {
    if (type === 'auto' || type === 'none') return {};
    throw invalidField('tool_choice', 'tool_choice asks for a tool, and there are no tools.');
  }
  const parallel = typeof one === 'boolean' ? { parallel_tool_calls: !one } : {};
  if (type === 'tool' && typeof name === 'string')
    return { tool_choice: { type: 'function', function: { name } }, ...parallel };
  const known = CHOICES[String(type)];
  if (!known)
    throw invalidField('tool_choice', 'tool_choice must be of type auto, any, none, or tool with a name.');
  return { tool_choice: known, ...parallel };
}

/** `output_format` is where it stood while it was a beta. */
function outputForm({ output_config: config, output_format: beta }: Fields): object {
  const { effort, format = beta } = isObject(config) ? config : ({} as Fields);
  const schema = isObject(format) && format.type === 'json_schema' ? format.schema : undefined;
  return {
    ...(schema === undefined
      ? {}
      : { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } }),
    ...(typeof effort === 'string' ? { reasoning_effort: effort } : {}),
  };
}

/**
 * Whether to think is a parameter of the template, under the names that models have for it; those of others ignore it.
 * A budget is not passed on: vLLM takes one only where it was set up for it, and `max_tokens` bounds the thoughts, too.
 */
function thinking({ thinking: wish, chat_template_kwargs: own }: Fields): object {
  const type = isObject(wish) ? wish.type : undefined;
  if (type !== 'enabled' && type !== 'disabled') return {};
  const thinks = type === 'enabled';
  return {
    chat_template_kwargs: { enable_thinking: thinks, thinking: thinks, ...(isObject(own) ? own : {}) },
  };
}
