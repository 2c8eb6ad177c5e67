import { integer, invalidField, isObject } from '../../proxy/request/field-checks';
import { chatOfInput } from './input-items';
import { ChatTools, toolChoice } from './response-tools';

type Fields = Readonly<Record<string, unknown>>;

/** What a body may hold besides, and means nothing here or is the gateway's to decide, is left out. */
const AS_THEY_ARE = [
  'model',
  'stream',
  'temperature',
  'top_p',
  'parallel_tool_calls',
  'chat_template_kwargs',
  // vLLM's own, which its /v1/responses takes, too.
  'top_k',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'seed',
  'stop',
  'stop_token_ids',
  'logit_bias',
  'ignore_eos',
  'include_reasoning',
] as const;

const KEEPS_NOTHING = 'nothing is kept here between requests; send the whole input with each.';

/** What would change the answer if it were left out. */
const REFUSED: Readonly<Record<string, string>> = {
  previous_response_id: `previous_response_id is not accepted: ${KEEPS_NOTHING}`,
  conversation: `conversation is not accepted: ${KEEPS_NOTHING}`,
  background: 'background is not accepted: nothing is kept here to be asked for later; send stream instead.',
  prompt: 'prompt is not accepted: no templates are kept here; send instructions and input.',
};

const countOfTokens = integer(1, 100_000_000);

/**
 * The body of a chat that says what a body of POST /v1/responses says. What is taken over as it is, is checked where
 * chats are.
 * @throws ApiException 400
 */
export function chatOfResponse(fields: Fields, tools: ChatTools): object {
  for (const [key, reason] of Object.entries(REFUSED)) {
    const value = fields[key] ?? false;
    if (value !== false) throw invalidField(key, reason);
  }
  return {
    ...Object.fromEntries(AS_THEY_ARE.filter((key) => key in fields).map((key) => [key, fields[key]])),
    messages: chatOfInput(fields.instructions, fields.input),
    ...(tools.list.length > 0 ? { tools: tools.list } : {}),
    ...toolChoice(fields.tool_choice, tools),
    ...mostTokens(fields.max_output_tokens),
    ...outputForm(fields.text),
    ...effort(fields.reasoning),
    // Counts in every event: what a response came to stands in its last one.
    ...(fields.stream === true
      ? { stream_options: { include_usage: true, continuous_usage_stats: true } }
      : {}),
  };
}

function mostTokens(value: unknown): object {
  if (value === undefined || value === null) return {};
  const problem = countOfTokens(value);
  if (problem !== null) throw invalidField('max_output_tokens', `max_output_tokens ${problem}.`);
  return { max_tokens: value };
}

function outputForm(text: unknown): object {
  if (text === undefined || text === null) return {};
  if (!isObject(text)) throw invalidField('text', 'text must be an object.');
  const format = text.format ?? { type: 'text' };
  const { type, name, schema, strict, description } = isObject(format) ? format : ({} as Fields);
  if (type === 'text') return {};
  if (type === 'json_object') return { response_format: { type } };
  if (type !== 'json_schema')
    throw invalidField('text.format', 'text.format must be of type text, json_object or json_schema.');
  if (typeof name !== 'string' || !isObject(schema))
    throw invalidField('text.format', 'text.format must have a name and a schema, which is an object.');
  return {
    response_format: {
      type,
      json_schema: {
        name,
        schema,
        ...(typeof strict === 'boolean' ? { strict } : {}),
        ...(typeof description === 'string' ? { description } : {}),
      },
    },
  };
}

function effort(reasoning: unknown): object {
  if (reasoning === undefined || reasoning === null) return {};
  if (!isObject(reasoning)) throw invalidField('reasoning', 'reasoning must be an object.');
  const { effort: wish } = reasoning;
  if (wish === undefined || wish === null) return {};
  if (typeof wish !== 'string') throw invalidField('reasoning.effort', 'reasoning.effort must be a text.');
  return { reasoning_effort: wish };
}
